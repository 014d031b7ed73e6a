/** Word of the workspace that something is new, by Jupyter's own events. */
import { Event } from '@jupyterlab/services';

const NEWS = 'https://ropeway.dev/events/news';

/** Call `look` at once, and each time when there is something new `of` that kind. */
export function onNews(events: Event.IManager, of: 'secrets' | 'offers', look: () => void): void {
  events.stream.connect((_, event) => {
    if (event.schema_id === NEWS && event.of === of) {
      look();
    }
  });
  look();
}
