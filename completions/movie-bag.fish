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
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_needs_command" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -s V -l version -d 'Print version'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "serve" -d 'Serve the HTTP API and the pages, and deliver mails'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "smtp-debug" -d 'Take every mail, deliver none, and show them here and in a web inbox'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "inbox" -d 'Read the mails that a running sink took'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "forgot" -d 'Start a password reset and deliver the mail with its link'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "reset" -d 'Complete a password reset with the token from the mail'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "user" -d 'Manage accounts'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "outbox" -d 'Look at the mails not delivered yet, try them now, or drop them'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "copy" -d 'Copy everything into another, empty database'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "check" -d 'Check settings and services, and show what is wrong'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "templates" -d 'Manage the templates of mails and pages'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "manpages" -d 'Write the man pages, one for each command and each topic of "help"'
complete -c movie-bag -n "__fish_movie_bag_needs_command" -f -a "help" -d 'Show the help of a command, or read about a topic'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l bind -d 'Listen here' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l public-url -d 'Begin every link with this' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l listen -d 'Where the sink takes mail [default: 127.0.0.1:1025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l web -d 'Where the sink serves its inbox [default: 127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l smtp-debug -d 'Run the debugging SMTP sink too, and deliver to it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l listen -d 'Take mail here; port 0 takes a free one and says which [default: 127.0.0.1:1025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web -d 'Serve the inbox here [default: 127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web-host -d 'Let the inbox be reached by this host name too' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l web-auth -d 'Let only those read the inbox who know this name and this password' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l format -d 'How mails are shown on stdout [default: text; with --json: json; beside a command: none]' -r -f -a "text\t'Sender, recipients, subject, text, and what was found in it'
json\t'One JSON document a mail'
raw\t'The source'
classic\t'As Python\'s DebuggingServer printed it'
none\t'Not at all'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l store -d 'Keep the mails in this Maildir too, and begin with those in it' -r -f -a "(__fish_complete_directories)"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-messages -d 'Keep the newest so many messages' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-memory -d 'Keep the newest messages up to this size in all, such as 512M' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-size -d 'Refuse a message that is larger than this, such as 10M' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-sessions -d 'Hold so many SMTP sessions at once; silent ones give way to the next ones' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l max-recipients -d 'Take so many recipients for one message' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l idle-timeout -d 'End a session that was silent for so long' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls -d 'Take mail here too, encrypted from the first byte' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-cert -d 'Offer STARTTLS with this certificate, in a PEM file; --tls uses it too' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-key -d 'The key of the certificate, in a PEM file' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l tls-ca-out -d 'Write the authority of the certificate made at start to this PEM file, for clients that verify' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l fail -d 'Fail on demand: STAGE:COUNT:ACTION, such as rcpt:2:451, data:*:552, connect:1-3:421, data:1:drop, mail:*:delay=2s' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l exit-after -d 'End once so many mails have come' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l exec -d 'Run this by the shell for each mail, with its source on stdin and what was found in MOVIE_BAG_MAIL_TO, _FROM, _SUBJECT, _LINK, _TOKEN and _CODE' -r -f -a "(__fish_complete_command)"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l no-web -d 'Serve no inbox'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l starttls -d 'Offer STARTTLS, with a certificate made at start unless --tls-cert names one'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand smtp-debug" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "list" -d 'List the mails in the inbox, newest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "show" -d 'Show one mail, and what can be copied out of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "wait" -d 'Wait for a mail, and print its link, token or code'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and not __fish_seen_subcommand_from list show wait clear" -f -a "clear" -d 'Delete all mails in the inbox'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l query -d 'Only what this search finds: words, to:, from:, subject:, has:attachment, is:unread, after:2026-11-24, -word' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l limit -d 'At most so many; 0 for all' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l url -d 'The inbox\'s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l print -d 'Print this alone, one or several with commas between' -r -f -a "link\t'The link that the mail was sent for'
token\t'The token in it'
code\t'The one-time code'
text\t'The text'
html\t'The HTML'
json\t'The whole mail as JSON, with the links, tokens and codes in it'
id\t'The id'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l url -d 'The inbox\'s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l to -d 'Whom it is for' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l subject -d 'A part of its subject, in any case' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l after -d 'Only one that came later than this mail' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l timeout -d 'How long to wait' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l print -d 'Print this, one or several with commas between [default: id]' -r -f -a "link\t'The link that the mail was sent for'
token\t'The token in it'
code\t'The one-time code'
text\t'The text'
html\t'The HTML'
json\t'The whole mail as JSON, with the links, tokens and codes in it'
id\t'The id'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l url -d 'The inbox\'s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l url -d 'The inbox\'s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s y -l yes -d 'Do not ask'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand inbox; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l email -d 'The account\'s address; asked for on a terminal' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l print-link -d 'Send no mail and print the link, to be handed over'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand forgot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l token -d 'The token, or the whole link from the mail; - reads it from stdin\'s first line' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l password-stdin -d 'Read the new password from stdin, one line'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "create" -d 'Make an account'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "list" -d 'List the accounts, oldest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "show" -d 'Show an account, its waiting mails and its history'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "set-password" -d 'Set an account\'s password and mail its owner'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "set-email" -d 'Give an account another address and mail its owner at both'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "revoke" -d 'End all logins of an account and mail its owner'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "delete" -d 'Delete an account, its movies, waiting mails and history'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "import" -d 'Make accounts from a file of another system'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and not __fish_seen_subcommand_from create list show set-password set-email revoke delete import export" -f -a "export" -d 'Write all accounts with their hashes down'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l email -d 'The address of the new account' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l password-stdin -d 'Read the password from stdin, one line'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l generate -d 'Generate a strong password and print it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l invite -d 'Mail the owner a link to choose the password'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l search -d 'Only those with this in their address, in any capitals' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l after -d 'Only those after the account with this id' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l email -d 'The account\'s address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l email -d 'The account\'s address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l password-stdin -d 'Read the password from stdin, one line'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l generate -d 'Generate a strong password and print it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-password" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l email -d 'The account\'s address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l to -d 'The address from now on' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from set-email" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l email -d 'The account\'s address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l email -d 'The account\'s address' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Do not ask'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l dry-run -d 'Change nothing, and say what would be done'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l update -d 'Replace the credentials of accounts that exist'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand user; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "list" -d 'List the mails not delivered yet, oldest first'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "flush" -d 'Try all waiting mails now, also those whose next try is later'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "retry" -d 'Try a mail now, also one that was given up'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and not __fish_seen_subcommand_from list flush retry drop" -f -a "drop" -d 'Take a mail out of the outbox unsent'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from flush" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l all -d 'All mails, waiting and given up'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l to -d 'Copy into this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l send-test-mail -d 'Send a reset mail with an unusable link to this address, and show the dialogue with the mail server' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l deploy -d 'Check also what a production system needs'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l all -d 'Show every setting with its source too'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "list" -d 'List the templates, and where each comes from'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "eject" -d 'Write the built-in templates into a folder, to be changed'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and not __fish_seen_subcommand_from list eject preview" -f -a "preview" -d 'Render a template with sample values, and print it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l force -d 'Overwrite files that differ'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from eject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand templates; and __fish_seen_subcommand_from preview" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand manpages" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l env-file -d 'Read settings from this file instead of .env' -r -F
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l database -d 'Work on this database: sqlite:PATH or mongodb://…' -r -f
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l color -d 'Colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -l json -d 'Print one JSON document on stdout, also for errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s q -l quiet -d 'Say nothing but answers, warnings and errors'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s v -l verbose -d 'Say on stderr what is done; twice for more of it'
complete -c movie-bag -n "__fish_movie_bag_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
