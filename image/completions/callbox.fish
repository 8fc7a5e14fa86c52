# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_callbox_global_optspecs
    string join \n socket= h/help
end

function __fish_callbox_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_callbox_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_callbox_using_subcommand
    set -l cmd (__fish_callbox_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c callbox -n "__fish_callbox_needs_command" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_needs_command" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "run" -d 'Run the appliance until SIGTERM or ctrl-c'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "check" -d 'Read configuration and board, open nothing'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "status" -d 'Show what the running appliance is doing'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "press" -d 'Push a button of the mock board in'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "release" -d 'Let a button of the mock board go'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "call" -d 'Call a contact or a number; of several one after the other'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "answer" -d 'Answer the call that rings'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "hangup" -d 'Hang up, cancel or reject'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "swap" -d 'Hold the call and go to the one that waits, or back to the one that is held'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "merge" -d 'Join the calls that are held with the one that talks'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "mute" -d 'Mute the microphone'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "talk" -d 'Talk, where push-to-talk is set up; for a minute at most'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "volume" -d 'Make the loudspeaker louder or quieter'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "to-phone" -d 'Move the call to the mobile phone'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "take-over" -d 'Take over the call that the number has elsewhere'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "dtmf" -d 'Send DTMF digits in the call'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "open-door" -d 'Open the door for a moment, where the configuration permits it'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "reset-tamper" -d 'End the tamper alarm, once the case is closed'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "events" -d 'Show the event log'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "selftest" -d 'Tell what works and what does not: lines, sound, core, token, clock'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "devices" -d 'List GPIO chips, sound devices and network addresses of this machine'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "completions" -d 'Print a script that completes commands in a shell'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "man" -d 'Print the manual page, as `man -l` reads it'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "reference" -d 'Print the reference of all keys of the configuration, Markdown'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "outputs-off" -d 'Switch every output of the board off, for after a process that was killed'
complete -c callbox -n "__fish_callbox_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callbox -n "__fish_callbox_using_subcommand run" -l config -d 'The configuration' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand run" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand run" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand check" -l config -d 'The configuration' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand check" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand check" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand status" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand status" -l json -d 'One JSON object; with --watch, one a change'
complete -c callbox -n "__fish_callbox_using_subcommand status" -l watch -d 'Go on: on a terminal a screen until q or ctrl-c, elsewhere a line a change'
complete -c callbox -n "__fish_callbox_using_subcommand status" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand press" -l for -d 'Let it go after this many milliseconds; without it, it stays in until `release`' -r
complete -c callbox -n "__fish_callbox_using_subcommand press" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand press" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand release" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand release" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand call" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand call" -l all -d 'All at once; the first to answer has the call'
complete -c callbox -n "__fish_callbox_using_subcommand call" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand answer" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand answer" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand hangup" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand hangup" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand swap" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand swap" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand merge" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand merge" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand mute" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand mute" -l off -d 'Open it again'
complete -c callbox -n "__fish_callbox_using_subcommand mute" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand talk" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand talk" -l off -d 'Listen again'
complete -c callbox -n "__fish_callbox_using_subcommand talk" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand volume" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand volume" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand to-phone" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand to-phone" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand take-over" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand take-over" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand dtmf" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand dtmf" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand open-door" -l output -d 'Another strike than the one that codes open' -r
complete -c callbox -n "__fish_callbox_using_subcommand open-door" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand open-door" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand reset-tamper" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand reset-tamper" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand events" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand events" -l follow -d 'Go on with new entries until ctrl-c'
complete -c callbox -n "__fish_callbox_using_subcommand events" -l json -d 'One JSON object a line'
complete -c callbox -n "__fish_callbox_using_subcommand events" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand selftest" -l loop -d 'Only this: switch an output or lamp to and fro, and see each edge at a button or input that a jumper wire ties it to. While the appliance runs it has the lines itself' -r
complete -c callbox -n "__fish_callbox_using_subcommand selftest" -l config -d 'The configuration to test with where no appliance runs' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand selftest" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand selftest" -l json -d 'One JSON object'
complete -c callbox -n "__fish_callbox_using_subcommand selftest" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand devices" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand devices" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand completions" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand completions" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand man" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand man" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand reference" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand reference" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand outputs-off" -l config -d 'The configuration whose board is meant' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand outputs-off" -l socket -d 'The appliance\'s control socket [default: $CALLBOX_SOCKET, else /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]' -r -F
complete -c callbox -n "__fish_callbox_using_subcommand outputs-off" -s h -l help -d 'Print help'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "run" -d 'Run the appliance until SIGTERM or ctrl-c'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "check" -d 'Read configuration and board, open nothing'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "status" -d 'Show what the running appliance is doing'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "press" -d 'Push a button of the mock board in'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "release" -d 'Let a button of the mock board go'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "call" -d 'Call a contact or a number; of several one after the other'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "answer" -d 'Answer the call that rings'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "hangup" -d 'Hang up, cancel or reject'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "swap" -d 'Hold the call and go to the one that waits, or back to the one that is held'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "merge" -d 'Join the calls that are held with the one that talks'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "mute" -d 'Mute the microphone'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "talk" -d 'Talk, where push-to-talk is set up; for a minute at most'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "volume" -d 'Make the loudspeaker louder or quieter'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "to-phone" -d 'Move the call to the mobile phone'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "take-over" -d 'Take over the call that the number has elsewhere'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "dtmf" -d 'Send DTMF digits in the call'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "open-door" -d 'Open the door for a moment, where the configuration permits it'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "reset-tamper" -d 'End the tamper alarm, once the case is closed'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "events" -d 'Show the event log'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "selftest" -d 'Tell what works and what does not: lines, sound, core, token, clock'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "devices" -d 'List GPIO chips, sound devices and network addresses of this machine'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "completions" -d 'Print a script that completes commands in a shell'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "man" -d 'Print the manual page, as `man -l` reads it'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "reference" -d 'Print the reference of all keys of the configuration, Markdown'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "outputs-off" -d 'Switch every output of the board off, for after a process that was killed'
complete -c callbox -n "__fish_callbox_using_subcommand help; and not __fish_seen_subcommand_from run check status press release call answer hangup swap merge mute talk volume to-phone take-over dtmf open-door reset-tamper events selftest devices completions man reference outputs-off help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
