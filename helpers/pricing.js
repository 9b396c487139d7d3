// The formulas of pricing.py, for the cost panel. A test compares both on random fleets; the prices come from there.
"use strict";

// Python rounds a half to the even number, and so does this.
function round(number) {
  const below = Math.floor(number), part = number - below;
  return part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1;
}

// `fleet` has the fields of Fleet. With `library` it uses AWS's library, without it no cache.
function cost(fleet, library, prices) {
  const lives = (fleet.processes * prices.MONTH) / fleet.lifetime;
  const reads = (fleet.requests_per_second / fleet.processes) * fleet.lifetime;
  const readsPerCopy = Math.max(1, Math.ceil(Number(((fleet.ttl * 0.75 * reads) / fleet.lifetime).toFixed(6))));
  const misses = library && reads > 1 ? Math.ceil(round(reads) / readsPerCopy) : reads;
  const gets = lives * (library ? Math.min(1, misses) : misses), describes = library ? lives * misses : 0;
  const billed = Math.min(gets, prices.QUOTA_PER_SECOND * prices.MONTH);
  const key = fleet.customer_key ? 1 : 0;
  const calls = (describes + billed) * prices.API_CALL + key * billed * prices.KEY_REQUEST;
  const keeping = prices.SECRET_MONTH + key * prices.KEY_MONTH;
  return {
    callsPerMonth: gets + describes,
    calls,
    keeping,
    sum: calls + keeping,
    shareOfQuota: gets / prices.MONTH / prices.QUOTA_PER_SECOND,
  };
}

if (typeof module !== "undefined") module.exports = { cost };
