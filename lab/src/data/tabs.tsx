import * as React from 'react';

export interface ITab {
  id: string;
  label: string;
  content: () => JSX.Element;
}

/** Tabs of which one is shown; arrow keys go from one to the next. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly ITab[] }): JSX.Element {
  const [shown, show] = React.useState(tabs[0].id);
  const list = React.useRef<HTMLDivElement>(null);
  const turn = (event: React.KeyboardEvent): void => {
    const at = tabs.findIndex(tab => tab.id === shown);
    const next: Record<string, number> = {
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      ArrowRight: (at + 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    if (event.key in next) {
      event.preventDefault();
      const { id } = tabs[next[event.key]];
      show(id);
      list.current?.querySelector<HTMLElement>(`#rw-tab-${id}`)?.focus();
    }
  };
  return (
    <>
      <div ref={list} className="rw-Tabs" role="tablist" aria-label={label} onKeyDown={turn}>
        {tabs.map(tab => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`rw-tab-${tab.id}`}
            aria-selected={tab.id === shown}
            aria-controls="rw-tabpanel"
            tabIndex={tab.id === shown ? 0 : -1}
            onClick={() => show(tab.id)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        className="rw-Tabs-panel"
        role="tabpanel"
        id="rw-tabpanel"
        aria-labelledby={`rw-tab-${shown}`}
        tabIndex={0}
      >
        {tabs.find(tab => tab.id === shown)?.content()}
      </div>
    </>
  );
}
