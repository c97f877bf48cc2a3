# Pairs from a corpus with gold morphology: bash 02_corpus_with_morphology.sh [OUTPUT]
# Twelve classes by gender and case; neutral text, and what was dropped and why, are in audit.md. A run that is
# interrupted goes on where it was when its command is given again.
set -e
output=${1:-german}
gradiend data german-articles --set data.balance=try --set data.max_per_class=100 --output "$output/pairs" --table csv
head -20 "$output/pairs/audit.md"
gradiend run german-articles --classes FemNom,FemDat --set data.max_per_class=200 --output "$output/run"
