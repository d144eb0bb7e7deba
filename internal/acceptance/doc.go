// Package acceptance holds the tests of the main job: the staging-fork example with real CLIs, a real Docker Engine and
// an independent implementation of the AWS API. It has no code that ships.
package acceptance
