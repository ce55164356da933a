#!/bin/bash
# Runs inside a booted container, as root; /run/try has both programs and the
# unit. Says what it does, and stops at the first thing that is not as it must be.
set -u
exec >/run/try/log 2>&1
fail() { echo "FAILED: $*"; journalctl --no-pager -o cat -u vdpd; exit 1; }
have() { [ "$2" = "$3" ] || fail "$1 is $2, and must be $3"; }
show() { systemctl show vdpd --value -p "$1"; }
as() { setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups -- /run/try/vdp --json status; }

echo "== install"
systemd-sysusers /run/try/vdpd.sysusers || fail "sysusers"
useradd -G vdpd-staff anna && useradd -G vdpd-staff bram && useradd stranger || fail "useradd"
PATH=/run/try:$PATH
vdpd init /etc/vdpd --org "Identity Platform" --address security@identity.example || fail "init"
fill() { sed -i "s|^$1 = \"FILL-IN\"|$1 = \"$2\"|" /etc/vdpd/*.toml; }
fill host localhost; fill user vdpd; fill id anna; fill name "Anna Smit"; fill address anna@identity.example
fill url https://identity.example/security; fill effective 2026-01-31; fill kind none; fill person anna
sed -i 's|^# user = "anna"|user = "anna"|' /etc/vdpd/vdpd.toml
(umask 077; echo one > /etc/vdpd/secrets/imap-password; echo two > /etc/vdpd/secrets/smtp-password)
vdpd check --offline --config /etc/vdpd/vdpd.toml || fail "check"
systemctl daemon-reload
warnings=$(systemd-analyze verify /run/systemd/system/vdpd.service 2>&1) || fail "verify: $warnings"
have "what systemd says of the unit" "$warnings" ""

echo "== start"
systemctl start vdpd || fail "start"
have "state" "$(show ActiveState)/$(show SubState)" active/running
have "watchdog" "$(show WatchdogUSec)" 1min
pid=$(show MainPID)
have "capabilities" "$(grep CapEff /proc/"$pid"/status | cut -f2)" 0000000000000000
have "folder of the socket" "$(stat -c '%A %G' /run/vdpd)" "drwxr-x--- vdpd-staff"
have "socket" "$(stat -c '%A %G' /run/vdpd/vdpd.sock)" "srw-rw---- vdpd-staff"
have "folder of the store" "$(stat -Lc '%A' /var/lib/vdpd)" "drwx------"
have "files of the store that others may open" "$(find /var/lib/private/vdpd -type f -perm /077)" ""

echo "== who may do what"
as anna || fail "anna is staff, and must get an answer"
as bram && fail "bram is no person of the configuration, and must get no answer"
as stranger && fail "a stranger must not reach the socket"
as root || fail "root is the operator, and must get an answer"

echo "== stop"
systemctl stop vdpd
have "result" "$(show Result)" success
[ -e /run/vdpd ] && fail "/run/vdpd is still there"

echo "== a second start finds the store of the first"
systemctl start vdpd || fail "second start"
kill -KILL "$(show MainPID)"
for _ in $(seq 100); do [ "$(show NRestarts)/$(show ActiveState)" = 1/active ] && break; sleep 0.2; done
have "restarts after a crash, and state" "$(show NRestarts)/$(show ActiveState)" 1/active
systemctl stop vdpd

echo "== bad configuration"
sed 's|^host = |hots = |' -i.good /etc/vdpd/vdpd.toml
systemctl start vdpd && fail "a bad configuration must not start"
have "exit code" "$(show ExecMainStatus)" 2
have "state, for good" "$(show ActiveState)" failed
journalctl -u vdpd -o cat | grep -F 'unknown key "hots" in [smtp]; did you mean "host"?' || fail "the journal does not say what is wrong"
mv /etc/vdpd/vdpd.toml.good /etc/vdpd/vdpd.toml

echo "== no secrets"
mv /etc/vdpd/secrets/master-key /etc/vdpd/secrets/other
systemctl start vdpd && fail "must not start without the master key"
have "exit code" "$(show ExecMainStatus)" 2
journalctl -u vdpd -o cat | grep -F 'credential "master-key" is not in /run/credentials/vdpd.service' || fail "the journal does not name the credential"
mv /etc/vdpd/secrets /etc/vdpd/elsewhere
systemctl start vdpd && fail "must not start without the folder of secrets"
have "state, for good" "$(show ActiveState)" failed
echo "all is well"
