
use builtin;
use str;

set edit:completion:arg-completer[movie-bag] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'movie-bag'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'movie-bag'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Serve the HTTP API and the pages, and deliver mails'
            cand smtp-debug 'Take every mail, deliver none, and show them here and in a web inbox'
            cand inbox 'Read the mails that a running sink took'
            cand forgot 'Start a password reset and deliver the mail with its link'
            cand reset 'Complete a password reset with the token from the mail'
            cand user 'Manage accounts'
            cand outbox 'Look at the mails not delivered yet, try them now, or drop them'
            cand copy 'Copy everything into another, empty database'
            cand check 'Show every setting with its source, and what is wrong'
            cand templates 'Manage the templates of mails and pages'
            cand completions 'Print the completions for a shell'
            cand manpages 'Write the man pages, one for each command and each topic of "help"'
            cand help 'Show the help of a command, or read about a topic'
        }
        &'movie-bag;serve'= {
            cand --bind 'Listen here'
            cand --public-url 'Begin every link with this'
            cand --listen 'Where the sink takes mail [default: 127.0.0.1:1025]'
            cand --web 'Where the sink serves its inbox [default: 127.0.0.1:8025]'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --smtp-debug 'Run the debugging SMTP sink too, and deliver to it'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;smtp-debug'= {
            cand --listen 'Take mail here; port 0 takes a free one and says which [default: 127.0.0.1:1025]'
            cand --web 'Serve the inbox here [default: 127.0.0.1:8025]'
            cand --web-host 'Let the inbox be reached by this host name too'
            cand --web-auth 'Let only those read the inbox who know this name and this password'
            cand --format 'How mails are shown on stdout [default: text; with --json: json; beside a command: none]'
            cand --store 'Keep the mails in this Maildir too, and begin with those in it'
            cand --max-messages 'Keep the newest so many messages'
            cand --max-memory 'Keep the newest messages up to so many bytes'
            cand --max-size 'Refuse a message that is larger than so many bytes'
            cand --max-sessions 'Hold so many SMTP sessions at once; the next ones are asked to come back'
            cand --max-recipients 'Take so many recipients for one message'
            cand --idle-timeout 'End a session that was silent for so long'
            cand --tls 'Take mail here too, encrypted from the first byte'
            cand --tls-cert 'Encrypt with this certificate, in a PEM file, in place of one made at the start'
            cand --tls-key 'The key of the certificate, in a PEM file'
            cand --fail 'Fail on demand: STAGE:COUNT:ACTION, such as rcpt:2:451, data:*:552, connect:1-3:421, data:1:drop, mail:*:delay=2s'
            cand --exit-after 'End once so many mails have come'
            cand --exec 'Run this by the shell for each mail, with its source on stdin and what was found in MOVIE_BAG_MAIL_TO, _FROM, _SUBJECT, _LINK, _TOKEN and _CODE'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --no-web 'Serve no inbox'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;inbox'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List the mails in the inbox, newest first'
            cand show 'Show one mail, and what can be copied out of it'
            cand wait 'Wait for a mail, and print its link, token or code'
            cand clear 'Delete all mails in the inbox'
        }
        &'movie-bag;inbox;list'= {
            cand --query 'Only what this search finds: words, to:, from:, subject:, has:attachment, is:unread, after:2026-11-24, -word'
            cand --limit 'At most so many; 0 for all'
            cand --url 'The inbox''s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;inbox;show'= {
            cand --print 'Print this alone, one or several with commas between'
            cand --url 'The inbox''s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;inbox;wait'= {
            cand --to 'Whom it is for'
            cand --subject 'A part of its subject, in any case'
            cand --after 'Only one that came later than this mail'
            cand --timeout 'How long to wait'
            cand --print 'Print this, one or several with commas between [default: id]'
            cand --url 'The inbox''s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;inbox;clear'= {
            cand --url 'The inbox''s address [default: MOVIE_BAG_INBOX_URL, else http://127.0.0.1:8025]'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;forgot'= {
            cand --email 'The account''s address; asked for on a terminal'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --print-link 'Send no mail and print the link, to be handed over'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;reset'= {
            cand --token 'The token, or the whole link from the mail; - reads it from stdin''s first line'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --password-stdin 'Read the new password from stdin, one line'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand create 'Make an account'
            cand list 'List the accounts, oldest first'
            cand show 'Show an account, its waiting mails and its history'
            cand set-password 'Set an account''s password and mail its owner'
            cand set-email 'Give an account another address and mail its owner at both'
            cand revoke 'End all logins of an account and mail its owner'
            cand delete 'Delete an account, its movies, waiting mails and history'
            cand import 'Make accounts from a file of another system'
            cand export 'Write all accounts with their hashes down'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'movie-bag;user;create'= {
            cand --email 'The address of the new account'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --password-stdin 'Read the password from stdin, one line'
            cand --generate 'Generate a strong password and print it'
            cand --invite 'Mail the owner a link to choose the password'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;list'= {
            cand --search 'Only those with this in their address, in any capitals'
            cand --limit 'No more than so many'
            cand --after 'Only those behind this one'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;show'= {
            cand --email 'The account''s address'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;set-password'= {
            cand --email 'The account''s address'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --password-stdin 'Read the password from stdin, one line'
            cand --generate 'Generate a strong password and print it'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;set-email'= {
            cand --email 'The account''s address'
            cand --to 'The address from now on'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;revoke'= {
            cand --email 'The account''s address'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;delete'= {
            cand --email 'The account''s address'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand -y 'Do not ask'
            cand --yes 'Do not ask'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;import'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --dry-run 'Change nothing, and say what would be done'
            cand --update 'Replace the credentials of accounts that exist'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;export'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;user;help'= {
            cand create 'Make an account'
            cand list 'List the accounts, oldest first'
            cand show 'Show an account, its waiting mails and its history'
            cand set-password 'Set an account''s password and mail its owner'
            cand set-email 'Give an account another address and mail its owner at both'
            cand revoke 'End all logins of an account and mail its owner'
            cand delete 'Delete an account, its movies, waiting mails and history'
            cand import 'Make accounts from a file of another system'
            cand export 'Write all accounts with their hashes down'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'movie-bag;user;help;create'= {
        }
        &'movie-bag;user;help;list'= {
        }
        &'movie-bag;user;help;show'= {
        }
        &'movie-bag;user;help;set-password'= {
        }
        &'movie-bag;user;help;set-email'= {
        }
        &'movie-bag;user;help;revoke'= {
        }
        &'movie-bag;user;help;delete'= {
        }
        &'movie-bag;user;help;import'= {
        }
        &'movie-bag;user;help;export'= {
        }
        &'movie-bag;user;help;help'= {
        }
        &'movie-bag;outbox'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List the mails not delivered yet, oldest first'
            cand flush 'Try all waiting mails now, also those whose next try is later'
            cand retry 'Try a mail now, also one that was given up'
            cand drop 'Take a mail out of the outbox unsent'
        }
        &'movie-bag;outbox;list'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;outbox;flush'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;outbox;retry'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --all 'All mails, waiting and given up'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;outbox;drop'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;copy'= {
            cand --to 'Copy into this database: sqlite:PATH or mongodb://…'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;check'= {
            cand --send-test-mail 'Send a mail to this address, and show what the mail server says to each step'
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --deploy 'Look also at what a real system needs'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;templates'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List the templates, and where each comes from'
            cand eject 'Write the built-in templates into a folder, to be changed'
            cand preview 'Render a template with sample values, and print it'
        }
        &'movie-bag;templates;list'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;templates;eject'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --force 'Overwrite files that differ'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;templates;preview'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;completions'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;manpages'= {
            cand --env-file 'Read settings from this file instead of .env'
            cand --database 'Work on this database: sqlite:PATH or mongodb://…'
            cand --color 'Colour the output'
            cand --json 'Print one JSON document on stdout, also for errors'
            cand -q 'Say nothing but answers, warnings and errors'
            cand --quiet 'Say nothing but answers, warnings and errors'
            cand -v 'Say on stderr what is done; twice for more of it'
            cand --verbose 'Say on stderr what is done; twice for more of it'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'movie-bag;help'= {
            cand serve 'Serve the HTTP API and the pages, and deliver mails'
            cand smtp-debug 'Take every mail, deliver none, and show them here and in a web inbox'
            cand inbox 'Read the mails that a running sink took'
            cand forgot 'Start a password reset and deliver the mail with its link'
            cand reset 'Complete a password reset with the token from the mail'
            cand user 'Manage accounts'
            cand outbox 'Look at the mails not delivered yet, try them now, or drop them'
            cand copy 'Copy everything into another, empty database'
            cand check 'Show every setting with its source, and what is wrong'
            cand templates 'Manage the templates of mails and pages'
            cand completions 'Print the completions for a shell'
            cand manpages 'Write the man pages, one for each command'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'movie-bag;help;serve'= {
        }
        &'movie-bag;help;smtp-debug'= {
        }
        &'movie-bag;help;inbox'= {
            cand list 'List the mails in the inbox, newest first'
            cand show 'Show one mail, and what can be copied out of it'
            cand wait 'Wait for a mail, and print its link, token or code'
            cand clear 'Delete all mails in the inbox'
        }
        &'movie-bag;help;inbox;list'= {
        }
        &'movie-bag;help;inbox;show'= {
        }
        &'movie-bag;help;inbox;wait'= {
        }
        &'movie-bag;help;inbox;clear'= {
        }
        &'movie-bag;help;forgot'= {
        }
        &'movie-bag;help;reset'= {
        }
        &'movie-bag;help;user'= {
            cand create 'Make an account'
            cand list 'List the accounts, oldest first'
            cand show 'Show an account, its waiting mails and its history'
            cand set-password 'Set an account''s password and mail its owner'
            cand set-email 'Give an account another address and mail its owner at both'
            cand revoke 'End all logins of an account and mail its owner'
            cand delete 'Delete an account, its movies, waiting mails and history'
            cand import 'Make accounts from a file of another system'
            cand export 'Write all accounts with their hashes down'
        }
        &'movie-bag;help;user;create'= {
        }
        &'movie-bag;help;user;list'= {
        }
        &'movie-bag;help;user;show'= {
        }
        &'movie-bag;help;user;set-password'= {
        }
        &'movie-bag;help;user;set-email'= {
        }
        &'movie-bag;help;user;revoke'= {
        }
        &'movie-bag;help;user;delete'= {
        }
        &'movie-bag;help;user;import'= {
        }
        &'movie-bag;help;user;export'= {
        }
        &'movie-bag;help;outbox'= {
            cand list 'List the mails not delivered yet, oldest first'
            cand flush 'Try all waiting mails now, also those whose next try is later'
            cand retry 'Try a mail now, also one that was given up'
            cand drop 'Take a mail out of the outbox unsent'
        }
        &'movie-bag;help;outbox;list'= {
        }
        &'movie-bag;help;outbox;flush'= {
        }
        &'movie-bag;help;outbox;retry'= {
        }
        &'movie-bag;help;outbox;drop'= {
        }
        &'movie-bag;help;copy'= {
        }
        &'movie-bag;help;check'= {
        }
        &'movie-bag;help;templates'= {
            cand list 'List the templates, and where each comes from'
            cand eject 'Write the built-in templates into a folder, to be changed'
            cand preview 'Render a template with sample values, and print it'
        }
        &'movie-bag;help;templates;list'= {
        }
        &'movie-bag;help;templates;eject'= {
        }
        &'movie-bag;help;templates;preview'= {
        }
        &'movie-bag;help;completions'= {
        }
        &'movie-bag;help;manpages'= {
        }
        &'movie-bag;help;help'= {
        }
    ]
    $completions[$command]
}
