/** Asks the page's reader of forms: cases as JSON on stdin, what it makes of them on stdout. */
import { readFileSync } from 'node:fs';

import { edit, parse } from '../../../lab/src/forms/grammar.ts';

interface ICase {
  source: string;
  /** Given to each parameter in turn, each time from the source as it was. */
  values: string[];
}

const cases: ICase[] = JSON.parse(readFileSync(0, 'utf8'));
const answers = cases.map(({ source, values }) => {
  const form = parse(source);
  const params = form?.items.filter(item => item.kind === 'param') ?? [];
  const edits = params.map(param =>
    values.map(value => {
      const found = edit(source, param, value);
      const after = found && source.slice(0, found.start) + found.text + source.slice(found.end);
      return found && { ...found, source: after, form: parse(after ?? '') };
    })
  );
  return { form, edits };
});
process.stdout.write(JSON.stringify(answers));
