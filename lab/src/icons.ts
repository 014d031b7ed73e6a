/** Ropeway's own icons. */
import { LabIcon } from '@jupyterlab/ui-components';

/** A cabin on its rope; `jp-icon3` lets the theme choose the colour. */
const cabin = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M1.2 8.1 22.6 2.2l.4 1.6L1.6 9.7z"/>
    <path d="M11.1 6.2h1.8v5h-1.8z"/>
    <path d="M6.5 10.6h11A2.5 2.5 0 0 1 20 13.1v5.4a3.5 3.5 0 0 1-3.5 3.5h-9A3.5 3.5 0 0 1 4 18.5v-5.4a2.5 2.5 0 0 1 2.5-2.5zM6 13v3.6h5.1V13zm6.9 0v3.6H18V13z" fill-rule="evenodd"/>
  </g>
</svg>`;

export const ropewayIcon = new LabIcon({ name: 'ropeway:ropeway', svgstr: cabin });

/** A drum under a roof: data that stays home. */
const drum = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M12 1.2 23 7.6l-1 1.7-10-5.8L2 9.3 1 7.6z"/>
    <path d="M5 12.6C6.6 13.7 9.2 14.2 12 14.2s5.4-.5 7-1.6v2.6c0 1.5-3.1 2.8-7 2.8s-7-1.3-7-2.8z"/>
    <path d="M5 17.7c1.6 1.1 4.2 1.6 7 1.6s5.4-.5 7-1.6v2c0 1.5-3.1 2.8-7 2.8s-7-1.3-7-2.8z"/>
    <ellipse cx="12" cy="10.4" rx="7" ry="2.6"/>
  </g>
</svg>`;

export const dataIcon = new LabIcon({ name: 'ropeway:data', svgstr: drum });

/** A key. */
const key = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M7 6a6 6 0 1 0 5.7 8H15v3h3v-3h1.5v3H22v-6h-9.3A6 6 0 0 0 7 6zm0 3.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6z" fill-rule="evenodd"/>
  </g>
</svg>`;

export const secretsIcon = new LabIcon({ name: 'ropeway:secrets', svgstr: key });

/** A curve in a frame: what is used, over time. */
const curve = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M3 3h2v16h16v2H3z"/>
    <path d="M6.3 15.8 10 9.7l3.6 3.4 5.6-8.6 1.7 1.1-7 10.7-3.5-3.4-2.4 4z"/>
  </g>
</svg>`;

export const resourcesIcon = new LabIcon({ name: 'ropeway:resources', svgstr: curve });
