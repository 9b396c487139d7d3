# %% worked out by hand
calls = 2 / 0.05 * 10_000
a_life = calls // (300 * 30)
my_minutes = -(-1440 // a_life)

# %% tried out with the model
from dataclasses import replace

my_minutes = 1
while replace(fleet, ttl=60 * my_minutes).dollars_for_calls > 2:
    my_minutes += 1
