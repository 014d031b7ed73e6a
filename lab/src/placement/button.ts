import { Menu } from '@lumino/widgets';

import { ropewayIcon } from '../icons';
import { openBelow } from '../popup';

/** A button of a cell that opens the menu of places where the cell can run. */
export class PickerButton {
  /** `createMenu` makes the menu of this cell, anew each time since runtimes come and go. */
  constructor(className: string, side: 'left' | 'right', createMenu: () => Menu) {
    const { node } = this;
    node.type = 'button';
    node.className = className;
    node.setAttribute('aria-haspopup', 'menu');
    node.append(ropewayIcon.element({ tag: 'span' }));
    let menu: Menu | null = null;
    let wasOpen = false;
    // The press closes an open menu before the click arrives, which must not open it again.
    node.addEventListener('pointerdown', () => {
      wasOpen = menu?.isAttached ?? false;
    });
    node.addEventListener('click', event => {
      const byKeyboard = event.detail === 0;
      if (byKeyboard || !wasOpen) {
        menu?.dispose();
        menu = createMenu();
        openBelow(node, menu, byKeyboard, side);
      }
    });
  }

  readonly node = document.createElement('button');
}
