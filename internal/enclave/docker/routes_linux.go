package docker

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"
)

// machineRoutes reads the IPv4 routes of this machine, of all tables: VPNs keep theirs in tables of their own. What leads
// to the machine itself or is a broadcast counts as part of its network, which has a route too.
func machineRoutes() ([]route, error) {
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("ask for the routes: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return nil, fmt.Errorf("read the routes: %w", err)
	}
	var routes []route
	for _, message := range messages {
		if message.Header.Type != syscall.RTM_NEWROUTE || len(message.Data) < syscall.SizeofRtMsg {
			continue
		}
		head := (*syscall.RtMsg)(unsafe.Pointer(&message.Data[0])) //nolint:gosec // The kernel's own layout; the length was checked.
		if head.Type == syscall.RTN_BROADCAST || head.Type == syscall.RTN_MULTICAST || head.Family != syscall.AF_INET {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&message)
		if err != nil {
			return nil, fmt.Errorf("read the routes: %w", err)
		}
		if found, ok := routeOf(int(head.Dst_len), attributes); ok {
			routes = append(routes, found)
		}
	}
	return routes, nil
}

func routeOf(bits int, attributes []syscall.NetlinkRouteAttr) (found route, ok bool) {
	found.device = "no device"
	for _, attribute := range attributes {
		switch attribute.Attr.Type {
		case syscall.RTA_DST:
			if address, valid := netip.AddrFromSlice(attribute.Value); valid {
				found.destination, ok = netip.PrefixFrom(address, bits), true
			}
		case syscall.RTA_OIF:
			if len(attribute.Value) < 4 {
				continue
			}
			index := int(*(*uint32)(unsafe.Pointer(&attribute.Value[0]))) //nolint:gosec // The kernel's own layout; the length was checked.
			found.device = "device " + strconv.Itoa(index)
			if device, err := net.InterfaceByIndex(index); err == nil {
				found.device = device.Name
			}
		}
	}
	return found, ok && !found.destination.Addr().IsLoopback()
}
