/** Ropeway in JupyterLab and Notebook: the list of its plugins. */
import connect from './connect/plugin';
import history from './history/plugin';
import reattach from './reattach/plugin';
import runtimes from './runtimes/plugin';
import sessions from './sessions/plugin';

export * from './tokens';

export default [runtimes, connect, sessions, history, reattach];
