
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'movie-bag' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'movie-bag'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'movie-bag' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve the HTTP API and the web pages, and deliver mail')
            [CompletionResult]::new('smtp-debug', 'smtp-debug', [CompletionResultType]::ParameterValue, 'Catch mails and show them in the terminal and a web inbox')
            [CompletionResult]::new('inbox', 'inbox', [CompletionResultType]::ParameterValue, 'Read the messages of a running sink')
            [CompletionResult]::new('forgot', 'forgot', [CompletionResultType]::ParameterValue, 'Start a password reset and send the reset link')
            [CompletionResult]::new('reset', 'reset', [CompletionResultType]::ParameterValue, 'Complete a password reset with the token from the mail')
            [CompletionResult]::new('user', 'user', [CompletionResultType]::ParameterValue, 'Manage accounts')
            [CompletionResult]::new('outbox', 'outbox', [CompletionResultType]::ParameterValue, 'Show and manage mails that are not delivered yet')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy a whole database into another, empty one')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check settings and services, and show cause and fix')
            [CompletionResult]::new('templates', 'templates', [CompletionResultType]::ParameterValue, 'Manage mail and page templates')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a shell completion script')
            [CompletionResult]::new('manpages', 'manpages', [CompletionResultType]::ParameterValue, 'Write the man pages of all commands and help topics')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Show detailed help on a command or a topic')
            break
        }
        'movie-bag;serve' {
            [CompletionResult]::new('--bind', '--bind', [CompletionResultType]::ParameterName, 'Listen on this address [default: 127.0.0.1:3000]')
            [CompletionResult]::new('--public-url', '--public-url', [CompletionResultType]::ParameterName, 'Use this base URL for links in mails')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'SMTP address of the sink [default: 127.0.0.1:1025]')
            [CompletionResult]::new('--web', '--web', [CompletionResultType]::ParameterName, 'Inbox address of the sink [default: 127.0.0.1:8025]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--smtp-debug', '--smtp-debug', [CompletionResultType]::ParameterName, 'Run the debugging SMTP sink too, and deliver to it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;smtp-debug' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Accept SMTP here [default: 127.0.0.1:1025]')
            [CompletionResult]::new('--web', '--web', [CompletionResultType]::ParameterName, 'Serve the inbox here [default: 127.0.0.1:8025]')
            [CompletionResult]::new('--web-host', '--web-host', [CompletionResultType]::ParameterName, 'Allow this host name in URLs of the inbox')
            [CompletionResult]::new('--web-auth', '--web-auth', [CompletionResultType]::ParameterName, 'Require this login for the inbox')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Print messages in this format [default: text]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Store messages in this Maildir too')
            [CompletionResult]::new('--max-messages', '--max-messages', [CompletionResultType]::ParameterName, 'Keep at most N messages')
            [CompletionResult]::new('--max-memory', '--max-memory', [CompletionResultType]::ParameterName, 'Keep at most this total size')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse larger messages')
            [CompletionResult]::new('--max-sessions', '--max-sessions', [CompletionResultType]::ParameterName, 'Allow N SMTP sessions at once')
            [CompletionResult]::new('--max-recipients', '--max-recipients', [CompletionResultType]::ParameterName, 'Allow N recipients per message')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'End sessions idle for this long')
            [CompletionResult]::new('--tls', '--tls', [CompletionResultType]::ParameterName, 'Accept SMTP over TLS here too')
            [CompletionResult]::new('--tls-cert', '--tls-cert', [CompletionResultType]::ParameterName, 'Offer STARTTLS with this certificate (PEM)')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'Private key of the certificate (PEM)')
            [CompletionResult]::new('--tls-ca-out', '--tls-ca-out', [CompletionResultType]::ParameterName, 'Write the CA of the generated certificate')
            [CompletionResult]::new('--fail', '--fail', [CompletionResultType]::ParameterName, 'Fail on demand, such as rcpt:2:451')
            [CompletionResult]::new('--exit-after', '--exit-after', [CompletionResultType]::ParameterName, 'Exit after N messages')
            [CompletionResult]::new('--exec', '--exec', [CompletionResultType]::ParameterName, 'Run a shell command for each message')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--no-web', '--no-web', [CompletionResultType]::ParameterName, 'Do not serve an inbox')
            [CompletionResult]::new('--starttls', '--starttls', [CompletionResultType]::ParameterName, 'Offer STARTTLS')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;inbox' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List messages, newest first')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a message with its links, tokens and codes')
            [CompletionResult]::new('wait', 'wait', [CompletionResultType]::ParameterValue, 'Wait for a message, and print its link, token or code')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Delete all messages in the inbox')
            break
        }
        'movie-bag;inbox;list' {
            [CompletionResult]::new('--query', '--query', [CompletionResultType]::ParameterName, 'Show only matches, such as is:unread')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show at most N messages; 0 shows all')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'Use this inbox [default: MOVIE_BAG_INBOX_URL]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;inbox;show' {
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print only these parts, separated by commas')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'Use this inbox [default: MOVIE_BAG_INBOX_URL]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;inbox;wait' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Match this recipient')
            [CompletionResult]::new('--subject', '--subject', [CompletionResultType]::ParameterName, 'Match this part of the subject, in any case')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Match only messages newer than this one')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most this long')
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print these parts, separated by commas [default: id]')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'Use this inbox [default: MOVIE_BAG_INBOX_URL]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;inbox;clear' {
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'Use this inbox [default: MOVIE_BAG_INBOX_URL]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;forgot' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account; prompted for on a terminal')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--print-link', '--print-link', [CompletionResultType]::ParameterName, 'Print the reset link instead of mailing it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;reset' {
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Reset token, or the whole link; - reads it from stdin')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the new password from one line of stdin')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('create', 'create', [CompletionResultType]::ParameterValue, 'Create an account')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List accounts, oldest first')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show an account with its queued mails and history')
            [CompletionResult]::new('set-password', 'set-password', [CompletionResultType]::ParameterValue, 'Set the password of an account and notify its owner')
            [CompletionResult]::new('set-email', 'set-email', [CompletionResultType]::ParameterValue, 'Change the email address of an account and notify its owner')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'End all sessions of an account and notify its owner')
            [CompletionResult]::new('disable', 'disable', [CompletionResultType]::ParameterValue, 'Disable an account')
            [CompletionResult]::new('enable', 'enable', [CompletionResultType]::ParameterValue, 'Enable a disabled account')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete an account with its movies, mails and history')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Import accounts from a CSV or JSON Lines file')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Export accounts with password hashes')
            break
        }
        'movie-bag;user;create' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from one line of stdin')
            [CompletionResult]::new('--generate', '--generate', [CompletionResultType]::ParameterName, 'Generate a strong password and print it')
            [CompletionResult]::new('--invite', '--invite', [CompletionResultType]::ParameterName, 'Mail the owner a link to choose a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;list' {
            [CompletionResult]::new('--search', '--search', [CompletionResultType]::ParameterName, 'Show only addresses that contain this text, in any case')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show at most N accounts')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Start after the account with this id')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--pending', '--pending', [CompletionResultType]::ParameterName, 'Show pending changes instead: sign-ups that are not confirmed yet, and changes of addresses that may be confirmed or reverted')
            [CompletionResult]::new('--disabled', '--disabled', [CompletionResultType]::ParameterName, 'Show only disabled accounts')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;show' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;set-password' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from one line of stdin')
            [CompletionResult]::new('--generate', '--generate', [CompletionResultType]::ParameterName, 'Generate a strong password and print it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;set-email' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'New email address')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;revoke' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;disable' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--reason', '--reason', [CompletionResultType]::ParameterName, 'Reason for the history of the account, one line of at most 200 characters')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;enable' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--reason', '--reason', [CompletionResultType]::ParameterName, 'Reason for the history of the account, one line of at most 200 characters')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;delete' {
            [CompletionResult]::new('--email', '--email', [CompletionResultType]::ParameterName, 'Email address of the account')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask for confirmation')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;import' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be imported, without changes')
            [CompletionResult]::new('--update', '--update', [CompletionResultType]::ParameterName, 'Replace the credentials of existing accounts')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;user;export' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;outbox' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List undelivered mails, oldest first')
            [CompletionResult]::new('flush', 'flush', [CompletionResultType]::ParameterValue, 'Send all waiting mails now')
            [CompletionResult]::new('retry', 'retry', [CompletionResultType]::ParameterValue, 'Send a mail now, even a dead one')
            [CompletionResult]::new('drop', 'drop', [CompletionResultType]::ParameterValue, 'Remove a mail from the outbox without sending it')
            break
        }
        'movie-bag;outbox;list' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;outbox;flush' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;outbox;retry' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Send all mails, waiting and dead')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;outbox;drop' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;copy' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Copy into this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;check' {
            [CompletionResult]::new('--send-test-mail', '--send-test-mail', [CompletionResultType]::ParameterName, 'Send a test mail, and show the SMTP dialogue')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--deploy', '--deploy', [CompletionResultType]::ParameterName, 'Check production requirements too')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show the value and source of every setting too')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;templates' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the templates with their purpose, variables and source')
            [CompletionResult]::new('eject', 'eject', [CompletionResultType]::ParameterValue, 'Write the built-in templates to a folder for editing')
            [CompletionResult]::new('preview', 'preview', [CompletionResultType]::ParameterValue, 'Render a template with sample values')
            break
        }
        'movie-bag;templates;list' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;templates;eject' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite files that differ')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;templates;preview' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;completions' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;manpages' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'movie-bag;help' {
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read settings from this file instead of .env')
            [CompletionResult]::new('--database', '--database', [CompletionResultType]::ParameterName, 'Use this database: sqlite:PATH or mongodb://…')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Use colors')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print results and errors as JSON on stdout')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results, warnings and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log to stderr; repeat for more detail')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
