/**
 * What a WireGuard device is to Wiremeter, whichever driver reads it.
 * Source: https://www.wireguard.com/xplatform/ and wg(8).
 */

/** One peer as the device tells it. Keys are base64, as `wg` prints them. */
export interface DevicePeer {
  /** Curve25519 public key, base64, 44 characters. */
  readonly publicKey: string;
  readonly hasPresharedKey: boolean;
  /** `host:port`, IPv6 hosts in brackets; null where the device knows none. */
  readonly endpoint: string | null;
  /** Networks in CIDR notation, canonical, in the device's order. */
  readonly allowedIPs: readonly string[];
  /** Seconds; 0 is off. */
  readonly persistentKeepalive: number;
  /** Nanoseconds since the Unix epoch, by the device's wall clock; 0n is never. */
  readonly latestHandshake: bigint;
  /** Bytes received from the peer since the peer was set up in this device. */
  readonly rx: bigint;
  /** Bytes sent to the peer since the peer was set up in this device. */
  readonly tx: bigint;
}

/** One whole, well-formed reply of a device. */
export interface Device {
  readonly name: string;
  /** base64; null while the device has no private key. */
  readonly publicKey: string | null;
  /** UDP port; null where none is bound. */
  readonly listenPort: number | null;
  readonly peers: readonly DevicePeer[];
}

/** A secret that prints as `[secret]` wherever it is logged, formatted or serialised. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself: base64 for keys. Name the reason where you call it. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** A change of one peer in the running device. Other peers are not touched. */
export type PeerChange =
  | { readonly kind: 'remove'; readonly publicKey: string }
  | {
      readonly kind: 'set';
      readonly publicKey: string;
      /** True: only an existing peer is changed (`update_only`). */
      readonly updateOnly?: boolean;
      /** Replaces all allowed IPs; undefined leaves them. */
      readonly allowedIPs?: readonly string[];
      /** Seconds, 0 is off; undefined leaves it. */
      readonly persistentKeepalive?: number;
      /** null clears it; undefined leaves it. */
      readonly presharedKey?: Secret | null;
      /** `ip:port`; undefined leaves it. */
      readonly endpoint?: string;
    };

/** Reads and sets one device. Every failure is a {@link WireGuardError}. */
export interface Driver {
  readonly kind: 'socket' | 'wg';
  readonly name: string;
  /** One whole reply, or a WireGuardError: never a part of one. */
  read(): Promise<Device>;
  /**
   * Changes as `read` calls it the same device: a re-created device has another.
   * Socket: device, inode and birth of the socket file. Kernel: interface index and the
   * sysfs inode, which the kernel never gives twice. Null where neither can be told.
   */
  instance(): Promise<string | null>;
  /** All of it or a WireGuardError; the device answers before this resolves. */
  configure(changes: readonly PeerChange[]): Promise<void>;
  /** The secrets of the device: for writing NAME.conf and for undoing a removal, never to show. */
  secrets(): Promise<DeviceSecrets>;
}

export interface DeviceSecrets {
  readonly privateKey: Secret | null;
  /** By public key; peers without one are not in it. */
  readonly presharedKeys: ReadonlyMap<string, Secret>;
}
