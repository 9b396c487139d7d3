// The formulas of pricing.py, for the panels. A test compares both on random fleets; the prices come from there.
"use strict";

const NO_CACHE = 0, AWS_LIBRARY = 1;

// Python rounds a half to the even number, and so does this.
function round(number) {
  const below = Math.floor(number), part = number - below;
  return part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1;
}

// `fleet` has the fields of Fleet; its way is the place in WAYS.
function fetchesPerLife(fleet) {
  const reads = (fleet.requests_per_second / fleet.processes) * fleet.lifetime;
  if (fleet.way === NO_CACHE || reads <= 1) return reads;
  const kept = fleet.way === AWS_LIBRARY ? fleet.ttl * 0.75 : fleet.ttl;
  const readsPerCopy = Math.max(1, Math.ceil(Number(((kept * reads) / fleet.lifetime).toFixed(6))));
  return Math.ceil(round(reads) / readsPerCopy);
}

function cost(fleet, prices) {
  const lives = (fleet.processes * prices.MONTH) / fleet.lifetime, regions = 1 + fleet.replicas;
  const fetches = fetchesPerLife(fleet), library = fleet.way === AWS_LIBRARY;
  const gets = lives * fleet.secrets * (library ? Math.min(1, fetches) : fetches);
  const describes = library ? lives * fleet.secrets * fetches : 0;
  const billed = Math.min(gets, prices.QUOTA_PER_SECOND * prices.MONTH);
  const bill = {
    calls: (describes + billed) * prices.API_CALL,
    keeping: fleet.secrets * regions * prices.SECRET_MONTH,
    key: fleet.customer_key ? regions * prices.KEY_MONTH + billed * prices.KEY_REQUEST : 0,
  };
  return {
    callsPerMonth: gets + describes,
    ...bill,
    dollars: bill.calls + bill.keeping + bill.key,
    shareOfQuota: gets / prices.MONTH / prices.QUOTA_PER_SECOND,
  };
}

// `chosen` has the fields of Around.
function around(chosen, callsPerMonth, prices) {
  const { nat_gateways: gateways, endpoint_zones: zones } = chosen;
  const gigabytes = (callsPerMonth * prices.BYTES_PER_CALL) / 1e9;
  return [
    gateways * prices.HOURS * prices.NAT_HOUR + (gateways && !zones ? gigabytes : 0) * prices.NAT_GB,
    zones * prices.HOURS * prices.ENDPOINT_HOUR + (zones ? gigabytes : 0) * prices.ENDPOINT_GB,
    callsPerMonth * chosen.trail_copies * prices.TRAIL_EVENT,
    (chosen.extension_megabytes / 1024) * prices.MONTH * prices.LAMBDA_GB_SECOND,
  ];
}

function breakEven(fleet, prices) {
  const keeping = fleet.secrets * (1 + fleet.replicas) * prices.SECRET_MONTH;
  return keeping / (fleet.secrets * prices.API_CALL * prices.MONTH);
}

function throttledFrom(fleet, prices) {
  return prices.QUOTA_PER_SECOND / fleet.secrets;
}

if (typeof module !== "undefined") module.exports = { cost, around, breakEven, throttledFrom };
