# %% with capitals and white space
my_choices = {"shop": " The Pattern", "reports": "Environment variable\n", "thumbnails": "extension or agent"}

# %% looked up in the outcomes
by_hits = sorted(outcomes, key=lambda one: one.hits)
my_choices = {
    "shop": by_hits[0].way,
    "reports": next(one.way for one in outcomes if max(one.stale) == float("inf")),
    "thumbnails": next(one.way for one in outcomes if one.hits and one.stopped_after),
}
