#!/bin/sh
# Has NetworkPolicies enforced in the network that it runs in, a node's, until its input ends; then it takes the rules away.
#
#   enforce.sh KUBE_ROUTER KUBECONFIG NODE
set -u

"$1" --kubeconfig="$2" --hostname-override="$3" --run-firewall=true --run-router=false --run-service-proxy=false --health-port=0 </dev/null &
router=$!
cat >/dev/null
kill "$router"
wait "$router"

# The program's own way to clean up wants to remove things of parts of it that did not run, and fails at that.
iptables-save -t filter | awk '
	/^:KUBE-(ROUTER|POD-FW|NWPLCY)-/ { chain = substr($1, 2); emptied = emptied ":" chain " - [0:0]\n"; removed = removed "-X " chain "\n" }
	/^-A (INPUT|FORWARD|OUTPUT) .*-j KUBE-ROUTER-/ { sub(/^-A/, "-D"); called = called $0 "\n" }
	END { printf "*filter\n%s%s%sCOMMIT\n", emptied, called, removed }' | iptables-restore --noflush
ipset list -name | grep -E '^KUBE-(SRC|DST)-' | while read -r name; do ipset destroy "$name"; done
