// Package config reads the configuration: one main file (vdpd.toml) and one
// policy file for each organisation, which the main file names.
//
// Start reading at [Config], whose comments are the manual of the main file,
// then [PolicyFile], the manual of a policy file, then [Load].
//
// Reading is strict. A key that is not known is an error, because a promise
// that a file states and the program ignores would be worse than no promise.
// All that is wrong is reported at once, with file, line and what to do, as an
// [*Error]. Struct tags say what a value has to be:
//
//	toml:"name"      the key
//	required:"x"     must be given; x is shown as an example
//	default:"x"      what holds where the key is absent
//	oneof:"a b"      the only values allowed
//	units:"d mo"     the units that a span may have
//	min:"x" max:"x"  limits, both inclusive
//	is:"address"     a form of text, see forms
//
// What is printed to researchers has no default.
//
// Secrets are never in these files; a [Secret] says where one is. Keys and
// certificates of OpenPGP are handed on unopened.
//
// The package starts no goroutines and writes nothing.
package config
