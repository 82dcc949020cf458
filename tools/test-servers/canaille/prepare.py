"""Makes canaille.sqlite in the working folder: the tables, a client, and a token of that client.

Reads {"clientId", "clientSecret", "token"} from standard input. The token is what the token
endpoint would issue for a client credentials grant, but for its value and its long life.
"""

import datetime
import json
import sys

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend

LIFETIME = 100 * 365 * 24 * 3600  # seconds

credentials = json.load(sys.stdin)
app = create_app(init_backend=True)
with app.app_context(), Backend.instance.session():
    client = models.Client(
        client_id=credentials["clientId"],
        client_name="Tenure",
        client_secret=credentials["clientSecret"],
        grant_types=["client_credentials"],
        scope=["openid"],
        token_endpoint_auth_method="client_secret_basic",
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)
    token = models.Token(
        token_id="lasting",
        type="Bearer",
        access_token=credentials["token"],
        issue_date=datetime.datetime.now(datetime.timezone.utc),
        lifetime=LIFETIME,
        scope=["openid"],
        client=client,
        audience=[client],
    )
    Backend.instance.save(token)
