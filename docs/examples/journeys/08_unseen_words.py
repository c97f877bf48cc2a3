"""Does the feature read words that it was not learned from? python 08_unseen_words.py

The test has pairs of words of which neither was seen in training."""

import gradiend_core as gd

run = gd.Session("english-sentiment", data={"split_by": "word"}, evaluators=["encoder"])
gd.save_run(run, "unseen-words")
trained = {pair.factual.lower() for pair in run.pairs if pair.split == "train"}
tested = {pair.factual.lower() for pair in run.pairs if pair.split == "test"}
print(f"{len(trained)} words in training, {len(tested)} in the test, {len(trained & tested)} in both")
print(*run.reports["encoder"].lines, sep="\n")
for row in run.reports["encoder"].tables["words"].records():
    print(f"{row['class']:10} {row['word']:12} {row['mean']:+.3f} (n = {row['n']})")
