"""Prints the people of an LDAP directory with their groups, as the directory itself shows them, and whether the first
password ($FIRST_PASSWORD) of the one named by $PERSON logs in: entries.py NAME URL BASE BIND_DN ($DIRECTORY_PASSWORD)."""

import os
import subprocess
import sys

name, url, base, bind_dn = sys.argv[1:]


def search(under, condition, *attributes):
    login = ["-x", "-H", url, "-D", bind_dn, "-w", os.environ["DIRECTORY_PASSWORD"]]
    command = ["ldapsearch", *login, "-LLL", "-o", "ldif-wrap=no", "-b", f"{under},{base}", condition, *attributes]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries = []
    for block in text.strip().split("\n\n"):
        pairs = [line.split(": ", 1) for line in block.splitlines() if ": " in line]
        entries.append({key: [v for k, v in pairs if k == key] for key, _ in pairs})
    return [entry for entry in entries if entry]


def logs_in(dn):
    attempt = ["ldapwhoami", "-x", "-H", url, "-D", dn, "-w", os.environ["FIRST_PASSWORD"]]
    done = subprocess.run(attempt, capture_output=True)
    return "logs in" if done.returncode == 0 else "CANNOT LOG IN"


people = search("ou=people", "(objectClass=inetOrgPerson)", "uid", "employeeNumber")
groups = search("ou=groups", "(objectClass=groupOfNames)", "cn", "member")
print(f"  {name} says:" if people else f"  {name} says: no accounts")
for person in people:
    dn = person["dn"][0]
    member_of = ",".join(group["cn"][0] for group in groups if dn in group.get("member", []))
    print(f"    {dn}  employeeNumber={person['employeeNumber'][0]}  groups={member_of or '-'}")
    if os.environ.get("FIRST_PASSWORD"):
        print(f"    the password that Tenure made {logs_in(dn)}")
