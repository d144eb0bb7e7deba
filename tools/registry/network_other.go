//go:build !linux

package main

import (
	"context"
	"errors"
	"net"
)

func listenIn(context.Context, string, string) (net.Listener, error) {
	return nil, errors.New("only Linux has network namespaces")
}
