"""Prints a SCIM server's accounts with their groups, as the server itself shows them: accounts.py NAME URL TOKEN."""

import json
import sys
import urllib.request


def read(url, token, path):
    request = urllib.request.Request(f"{url}/{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer).get("Resources", [])


name, url, token = sys.argv[1:]
users, groups = read(url, token, "Users"), read(url, token, "Groups")
print(f"  {name} says:" if users else f"  {name} says: no accounts")
for user in users:
    member_of = [g["displayName"] for g in groups if any(m["value"] == user["id"] for m in g.get("members", []))]
    state = "active" if user.get("active", True) else "SUSPENDED"
    print(f"    {user['userName']}  {state}  externalId={user.get('externalId')}  groups={','.join(member_of) or '-'}")
