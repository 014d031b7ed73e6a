/** Ropeway's own icon: a cabin on its rope. */
import { LabIcon } from '@jupyterlab/ui-components';

/** `jp-icon3` lets the theme choose the colour. */
const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M1.2 8.1 22.6 2.2l.4 1.6L1.6 9.7z"/>
    <path d="M11.1 6.2h1.8v5h-1.8z"/>
    <path d="M6.5 10.6h11A2.5 2.5 0 0 1 20 13.1v5.4a3.5 3.5 0 0 1-3.5 3.5h-9A3.5 3.5 0 0 1 4 18.5v-5.4a2.5 2.5 0 0 1 2.5-2.5zM6 13v3.6h5.1V13zm6.9 0v3.6H18V13z" fill-rule="evenodd"/>
  </g>
</svg>`;

export const ropewayIcon = new LabIcon({ name: 'ropeway:ropeway', svgstr });
