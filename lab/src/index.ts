/** Ropeway in JupyterLab and Notebook: the list of its plugins. */
import colab from './colab/plugin';
import colabOutputs from './colab/outputs';
import connect from './connect/plugin';
import data from './data/plugin';
import files from './files/plugin';
import forms from './forms/plugin';
import history from './history/plugin';
import needs from './needs/plugin';
import output from './output/plugin';
import placement from './placement/plugin';
import reattach from './reattach/plugin';
import resources from './resources/plugin';
import runtimes from './runtimes/plugin';
import secrets from './secrets/plugin';
import sessions from './sessions/plugin';

export * from './tokens';

export default [
  runtimes,
  connect,
  placement,
  needs,
  forms,
  colab,
  sessions,
  data,
  resources,
  history,
  reattach,
  colabOutputs,
  output,
  secrets,
  files
];
