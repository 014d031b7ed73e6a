import { ReactWidget } from '@jupyterlab/apputils';
import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import * as React from 'react';

import { ApiError, IApiError } from '../api';
import { Problem } from '../problem';
import { IFiles } from '../tokens';

/** As `google.colab.files` writes it; other programs show its plain text. */
export const UPLOAD_TYPE = 'application/vnd.ropeway.upload+json';

/** Bytes of one piece. */
const PIECE = 1024 * 1024;

/** Lets the person at the page choose files for the cell that waits. */
export class Upload extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly _files: IFiles) {
    super();
    this.addClass('rw-Upload');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[UPLOAD_TYPE] as { id?: unknown; many?: unknown } | null;
    this._id = String(data?.id ?? '');
    this._many = data?.many === true;
    this.update();
    return this.renderPromise ?? Promise.resolve();
  }

  protected override render(): JSX.Element {
    return <Chooser key={this._id} id={this._id} many={this._many} files={this._files} />;
  }

  private _id = '';
  private _many = false;
}

interface IChooserProps {
  id: string;
  many: boolean;
  files: IFiles;
}

/** A file on its way. */
interface ISending {
  name: string;
  sent: number;
  size: number;
}

function Chooser({ id, many, files }: IChooserProps): JSX.Element {
  const [waits, setWaits] = React.useState<boolean | null>(null);
  const [sending, setSending] = React.useState<readonly ISending[]>([]);
  const [problem, setProblem] = React.useState<IApiError | null>(null);
  React.useEffect(() => {
    files.uploadWaits(id).then(setWaits, reason => setProblem(ApiError.from(reason)));
  }, [id, files]);

  const choose = async (chosen: readonly File[]): Promise<void> => {
    const now = chosen.map(({ name, size }) => ({ name, size, sent: 0 }));
    setSending(now);
    setProblem(null);
    try {
      for (const [index, file] of chosen.entries()) {
        await send(files, id, file, sent => {
          now[index] = { ...now[index]!, sent };
          setSending([...now]);
        });
      }
      await files.endUpload(id);
      setWaits(false);
    } catch (reason) {
      setSending([]);
      setProblem(ApiError.from(reason));
      setWaits(await files.uploadWaits(id).catch(() => true));
    }
  };
  const cancel = (): void => {
    setWaits(false);
    files.endUpload(id).catch(reason => setProblem(ApiError.from(reason)));
  };

  return (
    <>
      {waits && sending.length === 0 && <Place many={many} onChoose={choose} onCancel={cancel} />}
      {waits === false && sending.length === 0 && <p>This upload is over.</p>}
      <ul>
        {sending.map(({ name, sent, size }, index) => (
          <li key={index}>
            {name} <progress aria-label={name} value={size ? sent : 1} max={size || 1} />
          </li>
        ))}
      </ul>
      <div role="alert">{problem && <Problem problem={problem} />}</div>
    </>
  );
}

interface IPlaceProps {
  many: boolean;
  onChoose: (files: readonly File[]) => Promise<void>;
  onCancel: () => void;
}

/** Where files are chosen or dropped. */
function Place({ many, onChoose, onCancel }: IPlaceProps): JSX.Element {
  const id = React.useId();
  const chosen = (list: FileList | null): void => {
    const found = [...(list ?? [])].slice(0, many ? undefined : 1);
    if (found.length) {
      void onChoose(found);
    }
  };
  return (
    <div
      className="rw-Upload-place"
      onDragOver={event => event.preventDefault()}
      onDrop={event => {
        event.preventDefault();
        event.stopPropagation();
        chosen(event.dataTransfer.files);
      }}
    >
      <label htmlFor={id}>
        {many ? 'Choose files, or drop them here' : 'Choose a file, or drop it here'}
      </label>
      <input id={id} type="file" multiple={many} onChange={event => chosen(event.target.files)} />
      <button type="button" className="jp-mod-styled" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}

/** Send a file piece by piece; `told` hears how much of it the kernel has or soon will. */
async function send(
  files: IFiles,
  id: string,
  file: File,
  told: (sent: number) => void
): Promise<void> {
  let at = 0;
  do {
    const piece = file.slice(at, at + PIECE);
    await files.uploadPiece(id, file.name, at, file.size, piece);
    at += piece.size;
    told(at);
  } while (at < file.size);
}
