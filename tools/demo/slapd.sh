#!/usr/bin/env bash
# An OpenLDAP server for the demo, on loopback, in the foreground: slapd.sh FOLDER PORT. The password of Tenure's account
# is in $DIRECTORY_PASSWORD. What Tenure may do there is what docs/connectors/ldap.md says that it needs.
set -euo pipefail
folder=$1 port=$2
base=dc=example,dc=com
tenure="cn=tenure,ou=services,$base"
mkdir -p "$folder/config" "$folder/db"

cat >"$folder/config.ldif" <<END
dn: cn=config
objectClass: olcGlobal
cn: config

dn: cn=module{0},cn=config
objectClass: olcModuleList
cn: module{0}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy
olcModuleLoad: refint

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif

include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase={1}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {1}mdb
olcDbDirectory: $folder/db
olcSuffix: $base
olcRootDN: cn=admin,$base
olcDbIndex: objectClass,entryUUID,uid,employeeNumber,member eq
olcAccess: {0}to dn.base="ou=people,$base" attrs=children by dn.exact="$tenure" write by * break
olcAccess: {1}to dn.children="ou=people,$base" by dn.exact="$tenure" write by * break
olcAccess: {2}to dn.base="ou=groups,$base" attrs=children by dn.exact="$tenure" write by * break
olcAccess: {3}to dn.children="ou=groups,$base" by dn.exact="$tenure" write by * break
olcAccess: {4}to attrs=userPassword by self =w by anonymous auth by * none
olcAccess: {5}to * by users read by * none
olcLimits: {0}dn.exact="$tenure" size.prtotal=unlimited

dn: olcOverlay={0}ppolicy,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: {0}ppolicy
olcPPolicyDefault: cn=default,ou=policies,$base
olcPPolicyHashCleartext: TRUE

dn: olcOverlay={1}refint,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: {1}refint
olcRefintAttribute: member
END
{
  printf 'dn: %s\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n\n' "$base"
  for unit in people groups services policies; do
    printf 'dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n' "$unit" "$base" "$unit"
  done
  printf 'dn: cn=default,ou=policies,%s\nobjectClass: device\nobjectClass: pwdPolicy\ncn: default\n' "$base"
  printf 'pwdAttribute: userPassword\npwdLockout: TRUE\n\n'
  printf 'dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: tenure\n' "$tenure"
  printf 'userPassword: %s\n' "$DIRECTORY_PASSWORD"
} >"$folder/base.ldif"

/usr/sbin/slapadd -n 0 -F "$folder/config" -l "$folder/config.ldif"
/usr/sbin/slapadd -n 1 -F "$folder/config" -l "$folder/base.ldif"
# Level 0 of debugging keeps it in the foreground.
exec /usr/sbin/slapd -d 0 -F "$folder/config" -h "ldap://127.0.0.1:$port"
