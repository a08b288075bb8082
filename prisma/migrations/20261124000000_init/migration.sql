-- From scripts/migration-sql.ts; WITHOUT ROWID by hand: history rows are small, and their key is most of them.
-- CreateTable
CREATE TABLE "interfaces" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "gateway" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "public_key" TEXT NOT NULL DEFAULT '',
    "listen_port" INTEGER,
    "addresses" TEXT NOT NULL DEFAULT '',
    "endpoint" TEXT,
    "simulated" BOOLEAN NOT NULL DEFAULT false,
    "status" TEXT NOT NULL DEFAULT 'DOWN',
    "status_reason" TEXT,
    "last_collected_at" BIGINT,
    "sequence" BIGINT NOT NULL DEFAULT 0,
    "online_peers" INTEGER NOT NULL DEFAULT 0,
    "boot_id" TEXT,
    "instance" TEXT,
    "monotonic" BIGINT,
    "clock" BIGINT,
    "open_minute" INTEGER NOT NULL DEFAULT 0,
    "lease_owner" TEXT,
    "lease_token" BIGINT NOT NULL DEFAULT 0,
    "lease_beat" BIGINT NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "peers" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "interface_id" INTEGER NOT NULL,
    "public_key" TEXT NOT NULL,
    "name" TEXT,
    "email" TEXT,
    "added_on" DATETIME NOT NULL,
    "allowed_ips" TEXT NOT NULL DEFAULT '',
    "has_preshared_key" BOOLEAN NOT NULL DEFAULT false,
    "persistent_keepalive" INTEGER NOT NULL DEFAULT 0,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "registered" BOOLEAN NOT NULL DEFAULT true,
    "deleted_at" DATETIME,
    "sort_name" TEXT NOT NULL,
    "search_text" TEXT NOT NULL,
    CONSTRAINT "peers_interface_id_fkey" FOREIGN KEY ("interface_id") REFERENCES "interfaces" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "peer_counters" (
    "peer_id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "running" BOOLEAN NOT NULL DEFAULT false,
    "rx" BIGINT NOT NULL DEFAULT 0,
    "tx" BIGINT NOT NULL DEFAULT 0,
    "handshake" BIGINT NOT NULL DEFAULT 0,
    "handshake_clock" BIGINT NOT NULL DEFAULT 0,
    "endpoint" TEXT,
    "receive_rate" REAL NOT NULL DEFAULT 0,
    "send_rate" REAL NOT NULL DEFAULT 0,
    "total_received" BIGINT NOT NULL DEFAULT 0,
    "total_sent" BIGINT NOT NULL DEFAULT 0,
    "total" BIGINT NOT NULL DEFAULT 0,
    "month_total" BIGINT NOT NULL DEFAULT 0,
    "open_received" BIGINT NOT NULL DEFAULT 0,
    "open_sent" BIGINT NOT NULL DEFAULT 0,
    "gap_ms" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "peer_counters_peer_id_fkey" FOREIGN KEY ("peer_id") REFERENCES "peers" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "monthly_usage" (
    "peer_id" INTEGER NOT NULL,
    "year_month" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "received" BIGINT NOT NULL,
    "sent" BIGINT NOT NULL,
    "total" BIGINT NOT NULL,
    "accumulated_received" BIGINT NOT NULL,
    "accumulated_sent" BIGINT NOT NULL,
    "last_received" BIGINT NOT NULL,
    "last_sent" BIGINT NOT NULL,
    "last_updated" DATETIME NOT NULL,

    PRIMARY KEY ("peer_id", "year_month"),
    CONSTRAINT "monthly_usage_peer_id_fkey" FOREIGN KEY ("peer_id") REFERENCES "peers" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "counter_epochs" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "peer_id" INTEGER NOT NULL,
    "started_at" BIGINT NOT NULL,
    "ended_at" BIGINT,
    "cause" TEXT NOT NULL,
    "unobserved_ms" BIGINT NOT NULL DEFAULT 0,
    "base_received" BIGINT NOT NULL,
    "base_sent" BIGINT NOT NULL,
    "received" BIGINT,
    "sent" BIGINT,
    CONSTRAINT "counter_epochs_peer_id_fkey" FOREIGN KEY ("peer_id") REFERENCES "peers" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "usage_minutes" (
    "peer_id" INTEGER NOT NULL,
    "start" INTEGER NOT NULL,
    "received" BIGINT NOT NULL,
    "sent" BIGINT NOT NULL,

    PRIMARY KEY ("peer_id", "start")
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "usage_hours" (
    "peer_id" INTEGER NOT NULL,
    "start" INTEGER NOT NULL,
    "received" BIGINT NOT NULL,
    "sent" BIGINT NOT NULL,

    PRIMARY KEY ("peer_id", "start")
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "usage_days" (
    "peer_id" INTEGER NOT NULL,
    "start" INTEGER NOT NULL,
    "received" BIGINT NOT NULL,
    "sent" BIGINT NOT NULL,

    PRIMARY KEY ("peer_id", "start")
) WITHOUT ROWID;

-- CreateTable
CREATE TABLE "pending_changes" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "interface_id" INTEGER NOT NULL,
    "public_key" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "started_at" DATETIME NOT NULL,
    CONSTRAINT "pending_changes_interface_id_fkey" FOREIGN KEY ("interface_id") REFERENCES "interfaces" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "created_at" DATETIME NOT NULL,
    "expires_at" DATETIME NOT NULL,
    "token_hash" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "interfaces_gateway_name_key" ON "interfaces"("gateway", "name");

-- CreateIndex
CREATE INDEX "peers_sort_name_id_idx" ON "peers"("sort_name", "id");

-- CreateIndex
CREATE UNIQUE INDEX "peers_interface_id_public_key_key" ON "peers"("interface_id", "public_key");

-- CreateIndex
CREATE INDEX "monthly_usage_year_month_idx" ON "monthly_usage"("year_month");

-- CreateIndex
CREATE INDEX "counter_epochs_peer_id_id_idx" ON "counter_epochs"("peer_id", "id");
