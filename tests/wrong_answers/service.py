# %% There is no Service yet
Service = 3


# %% outage | were still waiting. boto3's own timeouts
class Service:
    """Reads in its lock: while Secrets Manager hangs, each thread waits for all before it."""

    def __init__(self, ttl=300):
        self.sm, self.ttl, self.lock = new_sm(), ttl, Lock()
        self.read_at = self.client = None

    def serve(self, user):
        with self.lock:
            if self.client is None or time.monotonic() - self.read_at > self.ttl:
                try:
                    self.client = make_cache_client(read(self.sm))
                    self.read_at = time.monotonic()
                except Exception:
                    if self.client is None:
                        raise
        return self.client.increment(CACHE_NAME, user)


# %% outage | with a stale token 32 of 32 requests failed: ReadTimeoutError. Secrets Manager has denied nothing
class Service:
    """Keeps no copy after its time."""

    def __init__(self, ttl=300):
        self.sm, self.ttl, self.lock = new_sm(), timedelta(seconds=ttl), Lock()
        self.failed_at = self.stale_at = datetime.min

    def serve(self, user):
        with self.lock:
            if datetime.now() > self.stale_at:
                if datetime.now() < self.failed_at + timedelta(seconds=1):
                    raise self.error
                try:
                    self.client = make_cache_client(read(self.sm))
                except Exception as error:
                    self.error, self.failed_at = error, datetime.now()
                    raise
                self.stale_at = datetime.now() + self.ttl
        return self.client.increment(CACHE_NAME, user)


# %% rotation | Momento counted
class Service(Sound):
    """Repeats what has succeeded."""

    def serve(self, user):
        super().serve(user)
        return super().serve(user)


# %% denial | it stopped, and then went on. A denial holds
class Service:
    """Raises when it is denied, and uses the old token until the next read."""

    def __init__(self, ttl=300):
        self.sm, self.ttl, self.read_at, self.client = new_sm(), ttl, None, None

    def serve(self, user):
        if self.read_at is None or time.monotonic() - self.read_at > self.ttl:
            self.read_at = time.monotonic()
            self.client = make_cache_client(read(self.sm))
        return self.client.increment(CACHE_NAME, user)
