package main

import "encoding/binary"

// The parts of RFC 9113 that the client uses. The package http2 of golang.org/x/net would bring net/http with it.
type (
	frameType byte
	flags     byte
	settingID uint16
)

const (
	frameData frameType = iota
	frameHeaders
	_
	frameReset
	frameSettings
	framePush
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
)

const (
	flagEndStream  flags = 0x1
	flagAck        flags = 0x1
	flagEndHeaders flags = 0x4
	flagPadded     flags = 0x8
	flagPriority   flags = 0x20
)

const (
	settingHeaderTableSize      settingID = 1
	settingEnablePush           settingID = 2
	settingMaxConcurrentStreams settingID = 3
	settingInitialWindowSize    settingID = 4
)

func (f flags) has(flag flags) bool {
	return f&flag != 0
}

func appendFrame(to []byte, length int, kind frameType, set flags, id uint32) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(length)<<8|uint32(kind))
	return binary.BigEndian.AppendUint32(append(to, byte(set)), id)
}

func appendSetting(to []byte, id settingID, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(to, uint16(id)), value)
}

func appendWindowUpdate(to []byte, id uint32, increment int) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(to, 4, frameWindowUpdate, 0, id), uint32(increment))
}
