# Starts and stops the installed server as its units do, without systemd. The server binds its own sockets.
export ENV_FILE_LOCATION=$HOME/etc/movie-bag/env
binary=$HOME/usr/local/bin/movie-bag

is_running() { [[ -f $HOME/service.pid ]] && kill -0 "$(<"$HOME/service.pid")" 2>/dev/null; }

stop_service() {
    is_running || return 0
    kill -TERM "$(<"$HOME/service.pid")"
    while is_running; do sleep 0.02; done
    rm -f "$HOME/service.pid"
}

start_service() {
    is_running && return
    : >"$HOME/started"
    "$binary" serve --bind 127.0.0.1:0 >"$HOME/started" 2>&1 &
    echo $! >"$HOME/service.pid"
    until grep -q 'listens on http://' "$HOME/started"; do
        is_running || { cat "$HOME/started" && exit 1; }
        sleep 0.02
    done
    # An account, so that backups and copies are not empty.
    if [[ ! -f $HOME/used ]]; then
        "$binary" user create --email ann@example.com --generate >"$HOME/used"
    fi
}

case $1 in
daemon-reload) ;;
enable | start) start_service ;;
stop) stop_service ;;
restart) stop_service && start_service ;;
is-active | status) is_running ;;
*) echo "no stand-in for: systemctl $*" >&2 && exit 1 ;;
esac
