"""What a set of scores is worth: efficiencies, ROC, working points, intervals."""
