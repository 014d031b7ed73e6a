import * as React from 'react';

import { IColumn, IPreview } from './wire';

/** The columns of a dataset with their types. */
export function Columns(props: { name: string; columns: readonly IColumn[] }): JSX.Element {
  return (
    <Scrolled name={`Columns of ${props.name}`}>
      <thead>
        <tr>
          <th scope="col">Column</th>
          <th scope="col">Type</th>
        </tr>
      </thead>
      <tbody>
        {props.columns.map(column => (
          <tr key={column.name}>
            <td>{column.name}</td>
            <td className="rw-Rows-type">{column.type}</td>
          </tr>
        ))}
      </tbody>
    </Scrolled>
  );
}

/** The first rows of a dataset. */
export function Rows({ name, preview }: { name: string; preview: IPreview }): JSX.Element {
  return (
    <Scrolled name={`First rows of ${name}`}>
      <thead>
        <tr>
          {preview.columns.map(column => (
            <th key={column.name} scope="col" title={column.type}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {preview.preview.map((row, number) => (
          <tr key={number}>
            {row.map((text, column) => (
              <td key={column}>{text}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </Scrolled>
  );
}

/** A table that scrolls by itself, with keys too. */
function Scrolled({ name, children }: { name: string; children: React.ReactNode }): JSX.Element {
  return (
    <div className="rw-Rows" role="group" aria-label={name} tabIndex={0}>
      <table aria-label={name}>{children}</table>
    </div>
  );
}
