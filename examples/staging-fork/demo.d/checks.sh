# shellcheck shell=bash
# What the demo checks at the end, all of it without asking Sundog. It is sourced by demo, whose variables it uses.

# aside NAME PROGRAM...: runs one of our Python programs and notes which lines of the wire's recording are its own and
# not Sundog's: the company making its account, a colleague changing it, the check reading it.
aside() {
	local name=$1 from
	shift
	from=$(recorded)
	quietly "$name" "$(interpreter)" "$@"
	echo "$from $(recorded)" >>"$DEMO/not-sundog"
}

# recorded counts the requests so far. The recorder writes a line after it has answered, so the last may be on its way.
recorded() {
	sleep 0.5
	if [ -f "$AWS/requests.jsonl" ]; then wc -l <"$AWS/requests.jsonl"; else echo 0; fi
}

# dump NAME ACCOUNT: the account's whole state, read through the API.
dump() {
	aside "dump-$1" "$ROOT/tools/account_dump.py" dump --endpoint "$(address)" --account "$2" --regions "$REGIONS" \
		--output "$DEMO/$1.json"
}

# snapshot_engine notes what the Docker Engine holds before anything is made, unless a demo is running already.
snapshot_engine() {
	if [ ! -s "$WORK/terraform.tfstate" ]; then
		for kind in containers networks volumes images; do
			engine_objects "$kind" | sort -u >"$DEMO/engine-$kind"
		done
	fi
}

# engine_objects KIND [FILTER...]: ids of what the Docker Engine holds.
engine_objects() {
	local kind=$1
	shift
	case $kind in
	containers) docker ps --all --quiet --no-trunc "$@" ;;
	networks) docker network ls --quiet --no-trunc "$@" ;;
	volumes) docker volume ls --quiet "$@" ;;
	images) docker images --quiet --no-trunc "$@" ;;
	esac
}

# engine_is_clean prints how much of the enclave is left, by its label, and fails if anything is. What appeared on the
# engine meanwhile without any label of Sundog's is printed too: it may be somebody else's, or something that we lost.
engine_is_clean() {
	local kind left total=0 strays
	for kind in containers networks volumes images; do
		left=$({
			engine_objects "$kind" --filter "label=sundog.dev/enclave=$ENCLAVE"
			engine_objects "$kind" --filter "label=$IMAGE_LABEL"
			# Images that Sundog makes belong to no enclave; those that were there before are not this demo's.
			if [ "$kind" = images ] && [ -f "$DEMO/engine-images" ]; then
				engine_objects images --filter label=sundog.dev/managed-by | sort -u | comm -13 "$DEMO/engine-images" -
			fi
		} | sort -u | wc -l)
		echo "$kind left: $((left))"
		total=$((total + left))
		if [ -f "$DEMO/engine-$kind" ]; then
			strays=$(engine_objects "$kind" | sort -u | comm -13 "$DEMO/engine-$kind" - | wc -l)
			[ "$((strays))" = 0 ] || echo "  (and $((strays)) $kind on this engine that were not there before and are not the enclave's)"
		fi
	done
	[ "$total" = 0 ]
}

sandbox_is_empty() {
	local code=0
	echo "left in the sandbox account:"
	"$(interpreter)" "$ROOT/tools/account_dump.py" count --endpoint "$(address)" --account "$SANDBOX" --regions "$REGIONS" \
		--baseline "$DEMO/sandbox.json" --expect-zero || code=1
	return "$code"
}

production_is_unchanged() {
	dump production-after "$PRODUCTION"
	echo "production, before and after:"
	"$(interpreter)" "$ROOT/tools/account_dump.py" compare "$DEMO/production.json" "$DEMO/production-after.json"
}

# production_was_only_read counts, by the recording at the wire, what was done with production's credentials.
production_was_only_read() {
	awk 'FNR == NR { for (line = $1 + 1; line <= $2; line++) other[line]; next } !(FNR in other)' \
		"$DEMO/not-sundog" "$AWS/requests.jsonl" >"$DEMO/sundog.jsonl"
	echo "at the wire, from the first plan to the end of destroy:"
	"$(cat "$DEMO/recorder")" summary --log "$DEMO/sundog.jsonl" --account "$PRODUCTION"
}
