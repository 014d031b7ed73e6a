import { Menu } from '@lumino/widgets';

/** Open a menu below its button, aligned at one side; `byKeyboard` moves into it at once. */
export function openBelow(
  button: HTMLElement,
  menu: Menu,
  byKeyboard: boolean,
  side: 'left' | 'right' = 'right'
): void {
  // Before a chosen command runs, so that a dialog it opens gives the focus back to the button.
  menu.aboutToClose.connect(() => {
    button.setAttribute('aria-expanded', 'false');
    button.focus();
  });
  const place = button.getBoundingClientRect();
  button.setAttribute('aria-expanded', 'true');
  menu.open(place[side], place.bottom, { horizontalAlignment: side });
  if (byKeyboard) {
    menu.activateNextItem();
  }
}
