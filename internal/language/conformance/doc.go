// Package conformance holds the conformance suite of the package language: one small package for each point of the
// reference, with the plan, the error or the result that it must give. The cases are data, in testdata/<area>/<case>.txtar;
// `make conformance` runs them and prints a table.
//
// A case is a txtar archive. Its comment says in a sentence what is shown; a line "covers:" names the sections of the
// reference that it is about ("2.4.6", "10.16"). Its files are those of the package; what stands in folders called
// vendor/ and again/ are other repositories, and files that change before the package is applied a second time. These
// files are no part of the package:
//
//	args.json     arguments of the package, or args.yaml
//	request.json  how it is interpreted, see request in case_test.go
//	world.json    what the containers do when the plan is carried out, see world in world_test.go
//	plan.json     the plan that it must give
//	error.txt     the error that it must give
//	result.json   what carrying it out on a backend in memory must give
//
// Exactly one of the last three is there. `go test -update` writes them anew; whoever does that reads every change
// against the reference, because the suite is what says that they are right.
package conformance
