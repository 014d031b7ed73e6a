# Runs at the far side, behind assignments of ropeway_key, _action, _folder, _idle, _stop_idle.
# Uses the environment that is there; says so when there is none.
base="${ROPEWAY_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/ropeway}/runtime"
case "$ropeway_folder" in
  "~") ropeway_folder="$HOME" ;;
  "~/"*) ropeway_folder="$HOME/${ropeway_folder#"~/"}" ;;
esac
run() {
  exec "$1/bin/python" -m ropeway.runtime.detached \
    "$ropeway_action" "$ropeway_folder" "$ropeway_idle" "$ropeway_stop_idle" </dev/null
}
# Its Python is a link that leads nowhere once the system's Python was replaced.
works() {
  [ -e "$1/complete" ] && [ -x "$1/bin/python" ]
}
works "$base/$ropeway_key" && run "$base/$ropeway_key"
case "$ropeway_action" in
  stop | look)
    # Any version of ours can do that.
    for marker in "$base"/*/complete; do
      works "${marker%/complete}" && run "${marker%/complete}"
    done
    echo 'ropeway: {"server": null}'
    ;;
  *) echo 'ropeway: {"install": true}' ;;
esac
