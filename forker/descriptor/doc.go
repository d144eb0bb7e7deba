// Package descriptor holds the words in which one AWS service, one stand-in and the store of records are described to
// the forker. It names no service and makes no call: descriptors live in forker/services and forker/standin, one file
// each, and the forker carries out what they say.
//
// A descriptor never sees a production client that can write: it gets the narrow read interface that it declares
// itself, and registration refuses an interface with a method that is not in the descriptor's own table of reads.
package descriptor
