// The formulas of helpers/pricing.py for the book's cost panel. A test runs both on random fleets; prices come from there.
"use strict";

const NO_CACHE = 0, AWS_LIBRARY = 1;

// Python rounds a half to the even number, and so does this.
function round(number) {
  const below = Math.floor(number), part = number - below;
  return part < 0.5 || (part === 0.5 && below % 2 === 0) ? below : below + 1;
}

// fleet: requestsPerSecond, processes, lifetime, ttl (seconds), way (its index), secrets, replicas, customerKey
function fetchesPerLife(fleet) {
  const reads = (fleet.requestsPerSecond / fleet.processes) * fleet.lifetime;
  if (fleet.way === NO_CACHE || reads <= 1) return reads;
  const kept = fleet.way === AWS_LIBRARY ? fleet.ttl * 0.75 : fleet.ttl;
  const readsPerCopy = Math.max(1, Math.ceil(Number(((kept * reads) / fleet.lifetime).toFixed(6))));
  return Math.ceil(round(reads) / readsPerCopy);
}

function cost(fleet, prices) {
  const lives = (fleet.processes * prices.month) / fleet.lifetime, regions = 1 + fleet.replicas;
  const fetches = fetchesPerLife(fleet), library = fleet.way === AWS_LIBRARY;
  const gets = lives * fleet.secrets * (library ? Math.min(1, fetches) : fetches);
  const describes = library ? lives * fleet.secrets * fetches : 0;
  const billedGets = Math.min(gets, prices.quota * prices.month);
  const billedDescribes = Math.min(describes, prices.describeQuota * prices.month);
  const bill = {
    calls: (billedGets + billedDescribes) * prices.apiCall,
    keeping: fleet.secrets * regions * prices.secretMonth,
    key: fleet.customerKey ? regions * prices.keyMonth + billedGets * prices.keyRequest : 0,
  };
  return {
    callsPerMonth: gets + describes,
    ...bill,
    dollars: bill.calls + bill.keeping + bill.key,
    shareOfQuota: gets / prices.month / prices.quota,
  };
}

function breakEven(fleet, prices) {
  const keeping = fleet.secrets * (1 + fleet.replicas) * prices.secretMonth;
  return keeping / (fleet.secrets * prices.apiCall * prices.month);
}

function throttledFrom(fleet, prices) {
  return prices.quota / fleet.secrets;
}

if (typeof module !== "undefined") module.exports = { cost, breakEven, throttledFrom };
