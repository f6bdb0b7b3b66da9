#!/usr/bin/env bash
# Runs a command so that everything it started ends with it, and it with its caller:
# Ctrl-C, a hang-up or the death of the caller interrupts the whole process group,
# and what is still there ten seconds later is killed.
#
#     bash workflow/group.sh COMMAND [ARGUMENT...]
set -u

if [ "${ALLLIB_GROUP:-}" != 1 ] && command -v setpriv >/dev/null; then
    # setpriv: also when the caller is killed with no chance to pass a signal on.
    # env: a command started in the background of a script would ignore the interrupt.
    ALLLIB_GROUP=1 exec setpriv --pdeathsig TERM env --default-signal=INT bash "$0" "$@"
fi
unset ALLLIB_GROUP

set -m # the command below gets a process group of its own
"$@" </dev/null &
group=$!

end() {
    trap '' INT TERM HUP
    kill -INT -- "-$group" 2>/dev/null
    for _ in {1..100}; do
        kill -0 -- "-$group" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null
    exit "$1"
}
trap 'end 130' INT
trap 'end 143' TERM
trap 'end 129' HUP

wait "$group"
status=$?
# Nothing may outlive a command that ended by itself either.
kill -KILL -- "-$group" 2>/dev/null
exit "$status"
