# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_movie_bag_global_optspecs
    string join \n env-file= database= json color= q/quiet v/verbose h/help V/version
end

function __fish_movie_bag_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_movie_bag_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_movie_bag_using_subcommand
    set -l cmd (__fish_movie_bag_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c movie-bag -n "__fish_movie_bag_needs_command" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s V -l version -d 'Print version'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "serve" -d 'Serve the HTTP API and the web pages, and deliver mail'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "smtp-debug" -d 'Catch mails and show them in the terminal and a web inbox'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "inbox" -d 'Read the messages of a running sink'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "forgot" -d 'Start a password reset and send the reset link'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "reset" -d 'Complete a password reset with the token from the mail'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "user" -d 'Manage accounts'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "outbox" -d 'Show and manage mails that are not delivered yet'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "copy" -d 'Copy a whole database into another, empty one'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "check" -d 'Check settings and services, and show cause and fix'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "templates" -d 'Manage mail and page templates'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "completions" -d 'Print a shell completion script'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "manpages" -d 'Write the man pages of all commands and help topics'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "help" -d 'Show detailed help on a command or a topic'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l bind -d 'Listen on this address [default: 127.0.0.1:3000]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l public-url -d 'Use this base URL for links in mails' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l listen -d 'SMTP address of the sink [default: 127.0.0.1:1025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l web -d 'Inbox address of the sink [default: 127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l smtp-debug -d 'Run the debugging SMTP sink too, and deliver to it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l listen -d 'Accept SMTP here [default: 127.0.0.1:1025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web -d 'Serve the inbox here [default: 127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web-host -d 'Allow this host name in URLs of the inbox' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web-auth -d 'Require this login for the inbox' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l format -d 'Print messages in this format [default: text]' -r -f -a "text\t'Sender, recipients, subject, text, links, tokens and codes'
json\t'One JSON document per message'
raw\t'Source, byte for byte'
classic\t'Output of Python\'s DebuggingServer'
none\t'Nothing'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l store -d 'Store messages in this Maildir too' -r -f -a "(__fish_complete_directories)"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-messages -d 'Keep at most N messages' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-memory -d 'Keep at most this total size' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-size -d 'Refuse larger messages' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-sessions -d 'Allow N SMTP sessions at once' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-recipients -d 'Allow N recipients per message' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l idle-timeout -d 'End sessions idle for this long' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls -d 'Accept SMTP over TLS here too' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-cert -d 'Offer STARTTLS with this certificate (PEM)' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-key -d 'Private key of the certificate (PEM)' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-ca-out -d 'Write the CA of the generated certificate' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l fail -d 'Fail on demand, such as rcpt:2:451' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l exit-after -d 'Exit after N messages' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l exec -d 'Run a shell command for each message' -r -f -a "(__fish_complete_command)"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l no-web -d 'Do not serve an inbox'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l starttls -d 'Offer STARTTLS'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "list" -d 'List messages, newest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "show" -d 'Show a message with its links, tokens and codes'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "wait" -d 'Wait for a message, and print its link, token or code'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "clear" -d 'Delete all messages in the inbox'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l query -d 'Show only matches, such as is:unread' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l limit -d 'Show at most N messages; 0 shows all' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l url -d 'Use this inbox [default: MOVIE_BAG_INBOX_URL]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l print -d 'Print only these parts, separated by commas' -r -f -a "link\t'Link that the message was sent for'
token\t'Token in the link'
code\t'One-time code'
text\t'Text part'
html\t'HTML part'
json\t'Whole message as JSON, with its links, tokens and codes'
id\t'Id'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l url -d 'Use this inbox [default: MOVIE_BAG_INBOX_URL]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l to -d 'Match this recipient' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l subject -d 'Match this part of the subject, in any case' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l after -d 'Match only messages newer than this one' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l timeout -d 'Wait at most this long' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l print -d 'Print these parts, separated by commas [default: id]' -r -f -a "link\t'Link that the message was sent for'
token\t'Token in the link'
code\t'One-time code'
text\t'Text part'
html\t'HTML part'
json\t'Whole message as JSON, with its links, tokens and codes'
id\t'Id'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l url -d 'Use this inbox [default: MOVIE_BAG_INBOX_URL]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l url -d 'Use this inbox [default: MOVIE_BAG_INBOX_URL]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s y -l yes -d 'Do not ask for confirmation'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l email -d 'Email address of the account; prompted for on a terminal' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l print-link -d 'Print the reset link instead of mailing it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l token -d 'Reset token, or the whole link; - reads it from stdin' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l password-stdin -d 'Read the new password from one line of stdin'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "create" -d 'Create an account'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "list" -d 'List accounts, oldest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "show" -d 'Show an account with its queued mails and history'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "set-password" -d 'Set the password of an account and notify its owner'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "set-email" -d 'Change the email address of an account and notify its owner'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "revoke" -d 'End all sessions of an account and notify its owner'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "disable" -d 'Disable an account'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "enable" -d 'Enable a disabled account'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "delete" -d 'Delete an account with its movies, mails and history'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "import" -d 'Import accounts from a CSV or JSON Lines file'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke disable enable delete import export" -f -a "export" -d 'Export accounts with password hashes'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l password-stdin -d 'Read the password from one line of stdin'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l generate -d 'Generate a strong password and print it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l invite -d 'Mail the owner a link to choose a password'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l search -d 'Show only addresses that contain this text, in any case' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l limit -d 'Show at most N accounts' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l after -d 'Start after the account with this id' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l pending -d 'Show pending changes instead: sign-ups that are not confirmed yet, and changes of addresses that may be confirmed or reverted'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l disabled -d 'Show only disabled accounts'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l password-stdin -d 'Read the password from one line of stdin'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l generate -d 'Generate a strong password and print it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l to -d 'New email address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l reason -d 'Reason for the history of the account, one line of at most 200 characters' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -s y -l yes -d 'Do not ask for confirmation'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l reason -d 'Reason for the history of the account, one line of at most 200 characters' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l email -d 'Email address of the account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Do not ask for confirmation'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l dry-run -d 'Show what would be imported, without changes'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l update -d 'Replace the credentials of existing accounts'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "list" -d 'List undelivered mails, oldest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "flush" -d 'Send all waiting mails now'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "retry" -d 'Send a mail now, even a dead one'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "drop" -d 'Remove a mail from the outbox without sending it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l all -d 'Send all mails, waiting and dead'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l to -d 'Copy into this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l send-test-mail -d 'Send a test mail, and show the SMTP dialogue' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l deploy -d 'Check production requirements too'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l all -d 'Show the value and source of every setting too'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "list" -d 'List the templates with their purpose, variables and source'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "eject" -d 'Write the built-in templates to a folder for editing'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "preview" -d 'Render a template with sample values'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l force -d 'Overwrite files that differ'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s h -l help -d 'Print help'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l database -d 'Use this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l color -d 'Use colors' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l json -d 'Print results and errors as JSON on stdout'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s v -l verbose -d 'Log to stderr; repeat for more detail'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s h -l help -d 'Print help'
