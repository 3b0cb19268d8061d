set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
trap '[[ ! -f $HOME/service.pid ]] || kill "$(<"$HOME/service.pid")"' EXIT

# Servers would run forever. They are stopped as soon as they are ready, and must exit with 0. They listen on free
# ports, since tests run in parallel.
movie-bag() {
    case " $* " in
    *" -- "*) command movie-bag "$@" ;;
    *" --exit-after "*) send_a_mail_to "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *" serve --smtp-debug "*) end_once_ready "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *" serve "*) end_once_ready "$@" ;;
    *" smtp-debug "*"--listen "*) end_once_ready "$@" ;;
    *" smtp-debug "*) end_once_ready "$@" --listen 127.0.0.1:0 --web 127.0.0.1:0 ;;
    *) command movie-bag "$@" ;;
    esac
}

start() {
    server_log=$(mktemp)
    command movie-bag "$@" 2>"$server_log" &
    running=$!
    until grep -Eq 'SMTP on |listens on http://' "$server_log"; do
        if ! kill -0 $running 2>/dev/null; then
            cat "$server_log"
            wait $running
        fi
        sleep 0.02
    done
}

end_once_ready() {
    start "$@"
    kill -TERM $running
    wait $running
}

# With --exit-after the sink exits after a message. This function sends one with a link.
send_a_mail_to() {
    start "$@"
    port=$(grep -Eo 'SMTP on 127.0.0.1:[0-9]+' "$server_log")
    printf 'Subject: Reset your password\n\nhttps://app.example/reset/3f9c2a7e5b1d4086a2c7e9f0b3d5a814\n' |
        curl --crlf "smtp://127.0.0.1:${port##*:}" --mail-from me@example.com --mail-rcpt ann@example.com --upload-file -
    wait $running
}

# Stand-ins can call these functions too.
export -f movie-bag start end_once_ready send_a_mail_to
