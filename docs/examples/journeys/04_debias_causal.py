"""A causal model that takes he and she alike after any name: python 04_debias_causal.py"""

from transformers import AutoModelForCausalLM, AutoTokenizer

import gradiend_core as gd

run = gd.Session("english-gender", model="tiny-clm", rewrite={"toward": ["balanced"]})
folder = gd.save_run(run, "debiased")
print(*run.reports["decoder"].findings, sep="\n")

tokenizer = AutoTokenizer.from_pretrained(folder / "rewritten" / "balanced")
words = [tokenizer(word)["input_ids"][-1] for word in (" he", " she")]
for name, model in {
    "before": run.loaded.model,
    "after": AutoModelForCausalLM.from_pretrained(folder / "rewritten" / "balanced"),
}.items():
    for text in ("Anna slept because", "Tom slept because"):
        at_slot = model(**tokenizer(text, return_tensors="pt")).logits[0, -1].softmax(-1)
        he, she = at_slot[words].tolist()
        print(f"{name:7} {text} he {he:.2f}, she {she:.2f}")
