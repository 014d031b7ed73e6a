# Runs at the far side, before the program that installs.
# Finds a Python that can make environments; uv, where it is, may bring one along.
# Leaves its findings in $python, $runtimes and $uv.
runtimes="${ROPEWAY_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/ropeway}/runtime"
PATH="$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/conda/bin"
PATH="$PATH:$HOME/miniforge3/bin:$HOME/miniconda3/bin:$HOME/anaconda3/bin"
export PATH
fits() {
  "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' </dev/null >/dev/null 2>&1
}
makes() {
  [ -n "$uv" ] || "$1" -c 'import ensurepip' </dev/null >/dev/null 2>&1
}
uv="$(command -v uv)"
python= bare= found=
for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do
  path="$(command -v "$name")" || continue
  if ! fits "$path"; then
    found="$("$path" -V 2>&1 </dev/null | head -n 1 | tr -dc 'A-Za-z0-9. ')"
  elif makes "$path"; then
    python="$path"
    break
  else
    bare="$path"
  fi
done
if [ -z "$python" ] && [ -n "$uv" ]; then
  echo 'ropeway: {"tell": "Fetching a Python there with uv"}'
  "$uv" python install --quiet 3.12 </dev/null >/dev/null 2>&1
  python="$("$uv" python find 3.12 2>/dev/null </dev/null)"
fi
if [ -z "$python" ]; then
  if [ -n "$bare" ]; then
    echo 'ropeway: {"missing": "venv"}'
  else
    echo "ropeway: {\"missing\": \"python\", \"found\": \"$found\"}"
  fi
  exit 0
fi
