# %% There is no Service yet
Service = 3

# %% start | it raised ZeroDivisionError. Run Service(ttl=300)
Service = lambda ttl: 1 / 0


# %% start | it has no `serve`
class Service:
    def __init__(self, ttl=300):
        pass


# %% start | it raised TypeError
class Service(Sound):
    def __init__(self):
        super().__init__()


# %% start | it returned nothing
class Service(Sound):
    def serve(self, user):
        super().serve(user)


# %% start | the sandbox counted 0 reads
class Service(Sound):
    def serve(self, user):
        return 1


# %% start | Momento counted 0 of 32 visits
class Service(Sound):
    def serve(self, user):
        self.source.get()
        return "ok"


# %% start | a coroutine, of which nothing has run
class Service(Sound):
    def serve(self, user):
        async def later():
            return super().serve(user)

        self.source.get()
        return later()


# %% start | a generator, of which nothing has run
class Service(Sound):
    def serve(self, user):
        self.source.get()
        yield super().serve(user)


# %% start | its answers aren't those of Momento
class Service(Sound):
    def serve(self, user):
        super().serve(user)
        return 1


# %% start | Momento counted 64 of 32 visits
class Service(Sound):
    def serve(self, user):
        super().serve(user)
        return super().serve(user)


# %% start | tried to end the process
class Service(Sound):
    def serve(self, user):
        os._exit(0)


# %% start | raised SystemExit
class Service(Sound):
    def serve(self, user):
        raise SystemExit


# %% start | has not come back
class Service(Sound):
    def serve(self, user):
        while True:
            time.sleep(0.01)


# %% start | the sandbox counted 32 reads
class Service(Sound):
    def serve(self, user):
        return make_cache_client(current_token()).increment(CACHE_NAME, user)


# %% start | a worker that was forked from it doesn't serve
from concurrent.futures import ThreadPoolExecutor


class Service(Sound):
    def serve(self, user):
        with lock:
            self.pool = getattr(self, "pool", None) or ThreadPoolExecutor(8)
        return self.pool.submit(super().serve, user).result()


lock = threading.Lock()


# %% log | Log that it was read, never what.
Service = HastyService


# %% log | Print that it was read
class Service(Sound):
    def serve(self, user):
        print("using", self.source.get())
        return super().serve(user)


# %% log | Print that it was read
class Service(Sound):
    def serve(self, user):
        print("using", self.source.get(), file=sys.stderr)
        return super().serve(user)


# %% log | Print that it was read
class Service(Sound):
    def serve(self, user):
        os.write(2, f"using {self.source.get()}\n".encode())
        return super().serve(user)


# %% log | Log that it was read, never what.
class Service(Sound):
    def serve(self, user):
        logging.getLogger("visits").debug("using %s", self.source.get())
        return super().serve(user)


# %% log | botocore's log shows the token
class Service(Sound):
    def __init__(self, ttl=300):
        made = quick_client()
        logging.getLogger("botocore").setLevel(logging.NOTSET)
        self.source = TokenSource(SECRET_NAME, lambda: made, ttl=ttl)
        self.clients = SharedClient(self.source, make_cache_client)


# %% log | Keep it out of its repr
class Service(Sound):
    def __repr__(self):
        return f"Service({self.source.get()})"


# %% log | a traceback that shows variables
class Service(Sound):
    def serve(self, user):
        token = str(self.source.get())
        return super().serve(user) if token else None


# %% log | a traceback that shows variables
class Service(Sound):
    def serve(self, user):
        try:
            token = str(self.source.get())
        except Exception as error:
            token = self.last
            raise RuntimeError("no token") from error
        self.last, token = token, None
        return super().serve(user)


# %% silence | give the client a Config
class Service(Sound):
    def __init__(self, ttl=300):
        source = TokenSource(SECRET_NAME, lambda: boto3.client("secretsmanager"), ttl=ttl)
        self.clients = SharedClient(source, make_cache_client)


# %% silence | nobody could have given it the token
class Service(Sound):
    def serve(self, user):
        try:
            return super().serve(user)
        except Exception:
            return 1


# %% silence | minutes into an outage
class Service(Sound):
    def __init__(self, ttl=300):
        self.source = TokenSource(SECRET_NAME, quick_client, ttl=ttl, max_age=ttl)
        self.clients = SharedClient(self.source, make_cache_client)


# %% silence | 39 minutes into an outage
class Service(Sound):
    def __init__(self, ttl=300):
        self.source = TokenSource(SECRET_NAME, quick_client, ttl=ttl, max_age=1800)
        self.clients = SharedClient(self.source, make_cache_client)


# %% silence | it still fails
class Service(Sound):
    broken = False

    def serve(self, user):
        if self.broken:
            raise RuntimeError("broken")
        try:
            return super().serve(user)
        except Exception:
            self.broken = True
            raise


# %% rotation | somebody has to make a new one
class Service(Sound):
    def serve(self, user):
        with lock:
            self.client = getattr(self, "client", None) or make_cache_client(self.source.get())
        return self.client.increment(CACHE_NAME, user)


lock = threading.Lock()


# %% rotation | visits. A visit counts when Momento has counted it
class Service(Sound):
    def serve(self, user):
        with lock:
            self.client = getattr(self, "client", None) or make_cache_client(self.source.get())
        answer = self.client.increment(CACHE_NAME, user)
        return 1 if hasattr(answer, "error_code") else answer


lock = threading.Lock()


# %% rotation | its answers aren't those of Momento
class Service(Sound):
    def serve(self, user):
        with lock:
            number = counts[user] = counts.get(user, 0) + 1
        super().serve(user)
        return number


lock, counts = threading.Lock(), {}


# %% rotation | reads the secret again and again
class Service(Sound):
    def serve(self, user):
        current_token()
        return super().serve(user)


# %% rotation | it makes a client for each request
class Service(Sound):
    def serve(self, user):
        while True:
            token = self.source.get()
            with make_cache_client(token) as client:
                answer = client.increment(CACHE_NAME, user)
            if not hasattr(answer, "error_code"):
                return answer
            self.source.renew(token)


# %% rotation | in order
class Service(Sound):
    def messages(self, topic):
        yield "nothing"


# %% rotation | tried to end the process
class Service(Sound):
    def serve(self, user):
        answer = super().serve(user)
        if random.random() < 0.1:
            os.kill(os.getpid(), 9)
        return answer


# %% refusal | wrong when the answer is no
class Service(Sound):
    def serve(self, user):
        try:
            self.last = self.source.get()
        except Exception:
            pass
        self.client = getattr(self, "client", None) or make_cache_client(self.last)
        return self.client.increment(CACHE_NAME, user)


# %% refusal | it failed before
class Service(Sound):
    def serve(self, user):
        raise RuntimeError("never")


# %% refusal | Momento counted it all the same
class Service(Sound):
    def serve(self, user):
        self.client = getattr(self, "client", None) or make_cache_client(self.source.get())
        answer = self.client.increment(CACHE_NAME, user)
        self.source.get()
        return answer


# %% refusal | it stopped, and then went on
class Service(Sound):
    failed = False

    def serve(self, user):
        self.client = getattr(self, "client", None) or make_cache_client(self.source.get())
        try:
            self.source.get()
        except Exception:
            if not self.failed:
                self.failed = True
                raise
        return self.client.increment(CACHE_NAME, user)


# %% rotation | it changed or deleted the secret
class Service(Sound):
    served = 0

    def serve(self, user):
        self.served += 1
        if self.served == 50:
            sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
        return super().serve(user)


# %% start | it changed or deleted the secret
class Service(Sound):
    def serve(self, user):
        answer = super().serve(user)
        with suppress(Exception):
            sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
        return answer
