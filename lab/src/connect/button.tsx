import { caretDownIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { createPortal } from 'react-dom';

import { ropewayIcon } from '../icons';
import { Meters } from './meters';
import { IMeter, IView } from './view';

export interface IConnectButtonProps {
  view: IView;
  meters: IMeter[];
  /** Why there are no bars; empty when nothing needs a reason. */
  unmeasured: string;
  compact: boolean;
  /** Opens the menu under the button; `byKeyboard` moves into it at once. */
  onOpen: (button: HTMLElement, byKeyboard: boolean) => void;
  /** Whether the menu is open just now. */
  isOpen: () => boolean;
}

let count = 0;

/** The Connect button with its bars; the figures appear while it is pointed at or focused. */
export function ConnectButton(props: IConnectButtonProps): JSX.Element {
  const { view, meters, compact } = props;
  const group = React.useRef<HTMLDivElement>(null);
  const button = React.useRef<HTMLButtonElement>(null);
  const [id] = React.useState(() => `rw-tip-${count++}`);
  const [place, setPlace] = React.useState<DOMRect | null>(null);
  const wasOpen = React.useRef(false);
  const show = (): void => setPlace(group.current?.getBoundingClientRect() ?? null);
  const hide = (): void => setPlace(null);
  const open = (byKeyboard: boolean): void => {
    hide();
    if (button.current) {
      props.onOpen(button.current, byKeyboard);
    }
  };
  const trouble = view.tone === 'error' || view.tone === 'warning';
  return (
    <div
      ref={group}
      className="rw-Connect"
      data-tone={view.tone}
      onMouseEnter={show}
      onMouseLeave={hide}
      onKeyDown={event => event.key === 'Escape' && hide()}
    >
      <button
        ref={button}
        className="rw-Connect-button"
        aria-haspopup="menu"
        aria-label={['Runtime:', view.label, view.word].filter(part => part).join(' ')}
        aria-describedby={place ? id : undefined}
        onFocus={event => event.currentTarget.matches(':focus-visible') && show()}
        onBlur={hide}
        // The press closes an open menu before the click arrives, which must not open it again.
        onPointerDown={() => (wasOpen.current = props.isOpen())}
        onClick={event => {
          const again = wasOpen.current && event.detail > 0;
          wasOpen.current = false;
          if (!again) {
            open(event.detail === 0);
          }
        }}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            event.stopPropagation();
            open(true);
          }
        }}
      >
        <span className="rw-Connect-icon">
          <ropewayIcon.react tag="span" width="16px" height="16px" />
          <span className="rw-Connect-dot" />
        </span>
        <span className="rw-Connect-text">
          <span className="rw-Connect-name">{view.label}</span>
          {view.word && <span className="rw-Connect-word">{view.word}</span>}
        </span>
        <caretDownIcon.react tag="span" className="rw-Connect-caret" width="14px" height="14px" />
      </button>
      {!compact && meters.length > 0 && (
        <span className="rw-Connect-meters" onClick={() => open(false)}>
          <Meters meters={meters} />
        </span>
      )}
      <span role="status" className="rw-Hidden">
        {trouble ? view.title : ''}
      </span>
      {place && <Tip id={id} place={place} {...props} />}
    </div>
  );
}

/** Lives in the page's body: the toolbar clips what leaves it. */
function Tip(props: IConnectButtonProps & { id: string; place: DOMRect }): JSX.Element {
  const { view, meters, unmeasured, place } = props;
  return createPortal(
    <div
      id={props.id}
      role="tooltip"
      className="rw-Tip jp-ThemedContainer"
      style={{ top: place.bottom + 4, right: Math.max(4, window.innerWidth - place.right) }}
    >
      <div>{view.title}</div>
      {meters.map(({ label, share, text }) => (
        <div key={label} className="rw-Tip-row">
          <span>{label}</span>
          <span>
            {text} ({Math.round(share * 100)}%)
          </span>
        </div>
      ))}
      {unmeasured && <div>{unmeasured}</div>}
    </div>,
    document.body
  );
}
