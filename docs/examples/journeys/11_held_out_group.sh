# Poles, and groups of words that are left out: does what was learned of animals read people?
# bash 11_held_out_group.sh
set -e
gradiend suite "$(dirname "$0")/../leave-one-group-out.toml" --output groups
gradiend run english-sentiment --set poles=true --set 'evaluators.kinds=["encoder"]' --output sentiment
gradiend compare groups/runs sentiment --output compared
