// Package acceptance holds the tests that run the forker, unchanged, on accounts of an emulator. It has no other code.
package acceptance
