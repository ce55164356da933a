#!/bin/sh
# Makes the keys and messages of this folder with OpenSSL 3.0. The messages are
# new each time; the tests take the time of signing from the file "made".
set -eu
cd "$(dirname "$0")"
rm -f -- *.pem *.p12 *.p7m *.p7s made
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
date -u +%Y-%m-%dT%H:%M:%SZ >made
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\nThe search form has an SQL injection.\r\n' >text

rsa() { openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.key.pem"; }
ec() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key.pem"; }
# sign NAME ISSUER EXTENSIONS [START END]
sign() {
	openssl req -new -key "$1.key.pem" -subj "/O=Throw-away test key/CN=$1" -out "$work/$1.csr"
	printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n%b' "$3" >"$work/ext"
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\nunique_subject=no\ndefault_md=sha256\npolicy=p\n[p]\nO=supplied\nCN=supplied\n' \
		"$work/index" "$work" >"$work/conf"
	: >"$work/index"
	self=; [ "$1" = "$2" ] && self=-selfsign
	openssl ca -batch -notext -config "$work/conf" $self -keyfile "$2.key.pem" ${self:--cert "$2.pem"} -in "$work/$1.csr" \
		-extfile "$work/ext" -startdate "${4:-20260101000000Z}" -enddate "${5:-20460101000000Z}" -out "$1.pem" 2>"$work/log" || { cat "$work/log"; exit 1; }
}
ca='basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n'
mail='keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=emailProtection\nsubjectAltName=email:'
ec root; sign root root "$ca"
ec issuer; sign issuer root "$ca"
ec stranger; sign stranger stranger "${mail}Rita@Researcher.example\n"
rsa rita 2048; sign rita issuer "${mail}Rita@Researcher.example,email:rita@researcher.example\n"
ec ec; sign ec issuer "${mail}ec@researcher.example\n"
rsa weak 1024; sign weak issuer "${mail}weak@researcher.example\n"
ec expired; sign expired issuer "${mail}expired@researcher.example\n" 20260101000000Z 20260201000000Z
ec tls; sign tls issuer 'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=email:tls@researcher.example\n'
ec nosign; sign nosign issuer 'keyUsage=keyAgreement\nextendedKeyUsage=emailProtection\n'
rsa own 2048; sign own issuer "${mail}security@identity.example\n"
cp own.pem "$work/own.pem"; sign own issuer "${mail}security@identity.example\n"; mv own.pem own-renewed.pem; cp "$work/own.pem" own.pem

cms() { openssl cms -in text -binary "$@"; }
signed() { out=$1; shift; cms -sign -nodetach -outform DER -certfile issuer.pem -out "$out.p7m" "$@"; }
by() { echo -signer "$1.pem" -inkey "$1.key.pem"; }
signed rsa $(by rita)
signed stream $(by rita) -stream -indef
signed pss $(by rita) -keyopt rsa_padding_mode:pss
signed ec $(by ec) -md sha384
signed keyid $(by ec) -keyid
signed noattr $(by ec) -noattr
signed nocerts $(by ec) -nocerts
signed sha1 $(by ec) -md sha1
signed weak $(by weak)
signed expired $(by expired)
signed tls $(by tls)
signed nosign $(by nosign)
signed stranger $(by stranger)
signed two $(by stranger) $(by ec)
signed othertype $(by ec) -econtent_type id-smime-ct-TSTInfo
cms -sign -outform DER -certfile issuer.pem $(by ec) -out detached.p7s
openssl crl2pkcs7 -nocrl -certfile ec.pem -certfile issuer.pem -outform DER -out certs.p7m

sealed() { out=$1; shift; cms -encrypt -outform DER -out "$out.p7m" "$@"; }
sealed cbc -aes-256-cbc own.pem
sealed cbc-stream -stream -indef -aes-128-cbc rita.pem own.pem
sealed cbc-192 -aes192 own-renewed.pem
sealed 3des -des3 own.pem
sealed oaep -aes-256-cbc -recip own.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256
sealed oaep-sha1 -aes-256-cbc -recip own.pem -keyopt rsa_padding_mode:oaep
sealed gcm -aes-256-gcm own.pem
sealed gcm-stream -stream -indef -aes-128-gcm own.pem
sealed recipient-keyid -aes-256-cbc -keyid own.pem
sealed to-rita -aes-256-cbc rita.pem
sealed to-ec -aes-256-cbc ec.pem
sealed camellia -camellia256 own.pem
{ printf 'Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n'; base64 -w 72 ec.p7m; } >"$work/inner"
openssl cms -encrypt -binary -in "$work/inner" -aes-256-cbc -outform DER -out nested.p7m own.pem

export_p12() { out=$1 pass=$2; shift 2; openssl pkcs12 -export -inkey own.key.pem -in own.pem -certfile issuer.pem -passout "pass:$pass" -out "$out.p12" "$@"; }
export_p12 own throw-away
export_p12 own-legacy throw-away -legacy
openssl pkcs8 -topk8 -in own.key.pem -passout pass:throw-away -out own-locked.key.pem
openssl rsa -in own.key.pem -traditional -out own-traditional.key.pem 2>/dev/null
rm -f root.key.pem issuer.key.pem expired.key.pem tls.key.pem nosign.key.pem weak.key.pem stranger.key.pem
for key in *.key.pem; do
	{ echo 'Throw-away test key. It protects nothing and must never protect anything.'; cat "$key"; } >"$work/key"
	cat "$work/key" >"$key"
done
chmod 644 *.pem *.p12
