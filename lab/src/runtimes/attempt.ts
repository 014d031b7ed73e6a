import { Api, ApiError, IAttempt, IConnectRequest, IRuntime } from '../api';

const LOOK_MS = 500;
/** Looks that may fail in a row: the attempt goes on while the network is away. */
const LOST_LOOKS = 20;

/** Connect a runtime and tell its steps, each time all of them; `signal` gives up. */
export async function attempted(
  api: Api,
  request: IConnectRequest,
  told: (steps: readonly string[]) => void,
  signal: AbortSignal
): Promise<IRuntime> {
  let attempt = await api.connect(request);
  const giveUp = (): void => void api.giveUp(attempt.id).catch(() => undefined);
  signal.addEventListener('abort', giveUp);
  if (signal.aborted) {
    giveUp();
  }
  try {
    while (attempt.state === 'running' && !signal.aborted) {
      told(attempt.steps);
      attempt = await next(api, attempt);
    }
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
  if (attempt.runtime) {
    return attempt.runtime;
  }
  const { message, hint, code } = attempt.error ?? {
    message: 'It was given up.',
    hint: '',
    code: 'cancelled'
  };
  throw new ApiError(message, hint, code);
}

/** How far it is a little later. */
async function next(api: Api, { id }: IAttempt): Promise<IAttempt> {
  for (let lost = 1; ; lost++) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    try {
      return await api.attempt(id);
    } catch (reason) {
      const { code } = ApiError.from(reason);
      if (lost >= LOST_LOOKS || !['timeout', 'workspace_unreachable'].includes(code)) {
        throw reason;
      }
    }
  }
}
