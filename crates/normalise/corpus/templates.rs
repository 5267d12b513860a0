//! What the lines are made from: a weight and a text with fields in braces.

pub(super) const TEMPLATES: &[(u64, &str)] = &[
    // System log.
    (
        12,
        "{syslog} {host} sshd[{pid}]: Accepted publickey for deploy from {ip} port {port} ssh2: ED25519 SHA256:{trace}",
    ),
    (4, "{syslog} {host} sshd[{pid}]: Failed password for {user} from {ip} port {port} ssh2"),
    (
        8,
        "{syslog} {host} sshd[{pid}]: Connection closed by authenticating user root {ip} port {port} [preauth]",
    ),
    (
        10,
        "{syslog} {host} CRON[{pid}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
    ),
    (
        6,
        "{syslog} {host} systemd[1]: session-{n}.scope: Deactivated successfully. Consumed {float}s CPU time.",
    ),
    (
        5,
        "{syslog} {host} dhclient[{pid}]: DHCPACK of {ip} from {ip} (xid={ptr}) bound, renewal in {n} seconds on interface {mac}",
    ),
    (
        5,
        "{syslog} {host} postfix/smtp[{pid}]: {hex}: to=<{email}>, relay=mx.example.org[{ip}]:25, delay={float}, delays={float}/{float}/{float}/{float}, dsn=2.0.0, status=sent (250 2.0.0 OK {epoch} {hex} - gsmtp)",
    ),
    // Kernel.
    (8, "[{uptime}] usb 1-{small}: new high-speed USB device number {small} using xhci_hcd"),
    (
        7,
        "[{uptime}] EXT4-fs (dm-{small}): mounted filesystem {uuid} r/w with ordered data mode. Quota mode: none.",
    ),
    (
        6,
        "[{uptime}] IPv4: martian source {ip} from {ip}, on dev eth{small}; ll header: 00000000: ff ff ff ff ff ff {mac}",
    ),
    (
        6,
        "[{uptime}] Out of memory: Killed process {pid} (java) total-vm:{n}kB, anon-rss:{n}kB, file-rss:{n}kB, shmem-rss:0kB, UID:{pid} pgtables:{n}kB oom_score_adj:0",
    ),
    // Web access.
    (
        60,
        "{ip} - - [{access}] \"GET {route} HTTP/1.1\" {status} {n} \"{url}\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/{version} (KHTML, like Gecko) Chrome/{version} Safari/{version}\" rt={float} uct={float} uht={float} urt={float} upstream={ip}:{port} request_id={trace}",
    ),
    (
        30,
        "{ip} - - [{access}] \"POST {route} HTTP/1.1\" {status} {n} \"{url}\" \"Mozilla/5.0 (iPhone; CPU iPhone OS 17_3 like Mac OS X) AppleWebKit/{version} (KHTML, like Gecko) Version/{version} Mobile/15E148 Safari/{version}\" rt={float} uct={float} uht={float} urt={float} upstream={ip}:{port} request_id={trace}",
    ),
    (
        12,
        "{ip6} - - [{access}] \"HEAD {route} HTTP/2.0\" {status} 0 \"-\" \"kube-probe/1.29\" rt={float} request_id={trace}",
    ),
    (
        10,
        "{date} {comma} [error] {pid}#{pid}: *{n} upstream timed out (110: Connection timed out) while reading response header from upstream, client: {ip}, server: shop.example.com, request: \"GET {route} HTTP/1.1\", upstream: \"http://{ip}:{port}{route}\", host: \"shop.example.com\", referrer: \"{url}\"",
    ),
    // A Java service.
    (
        30,
        "{date} {comma} INFO  [http-nio-{port}-exec-{small}] c.e.shop.order.OrderService - Order {uuid} for customer {n} placed: items={small}, total={float} EUR, payment=card, shipping=standard, warehouse=ams-{small}, correlationId={trace}, elapsed={n}ms",
    ),
    (
        20,
        "{date} {comma} DEBUG [http-nio-{port}-exec-{small}] org.hibernate.SQL - select o.id, o.customer_id, o.created_at, o.updated_at, o.total_amount, o.currency_code, o.shipping_address_id, o.billing_address_id, o.status from orders o left join order_items i on i.order_id = o.id where o.customer_id = {n} and o.created_at > '{date}' order by o.created_at desc limit {small} offset {n}",
    ),
    (
        14,
        "{date} {comma} WARN  [pool-{small}-thread-{small}] c.e.shop.cache.RedisCache - Cache lookup took {n} ms (threshold 50 ms), key=cart:{n}:{hex}, node={ip}:{port}, retries={small}, falling back to the database",
    ),
    (
        9,
        "{date} {comma} ERROR [kafka-consumer-{small}] c.e.shop.events.Consumer - Cannot process record: topic=orders, partition={small}, offset={n}, key={uuid}, attempt={small}, exception=java.net.SocketTimeoutException: Read timed out after {n} ms while waiting for {ip}:{port}",
    ),
    (8, "\tat com.example.shop.order.OrderController.create(OrderController.java:{n})"),
    (
        8,
        "\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:{n}) ~[spring-webmvc-{version}.jar!/:{version}]",
    ),
    (
        9,
        "{date} {comma} INFO  [gc] GC({n}) Pause Young (Normal) (G1 Evacuation Pause) {n}M->{n}M({n}M) {float}ms User={float}s Sys={float}s Real={float}s",
    ),
    // A block store.
    (
        26,
        "{short} INFO dfs.DataNode$DataXceiver: Receiving block {blk} src: /{ip}:{port} dest: /{ip}:{port}",
    ),
    (
        22,
        "{short} INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:{port} is added to {blk} size {n}",
    ),
    (
        16,
        "{short} INFO dfs.DataNode$PacketResponder: PacketResponder {small} for block {blk} terminating",
    ),
    (10, "{short} INFO dfs.FSDataset: Deleting block {blk} file {path}/{blk}"),
    // Databases.
    (
        14,
        "{date} {clock} UTC [{pid}] app@shop LOG:  duration: {float} ms  execute S_{n}: UPDATE carts SET updated_at = '{date} {clock}', item_count = {small}, total = {float}, version = {n} WHERE id = '{uuid}' AND version = {n} RETURNING id, version, updated_at",
    ),
    (
        8,
        "{date} {clock} UTC [{pid}] LOG:  checkpoint complete: wrote {n} buffers ({float}%); {small} WAL file(s) added, {small} removed, {small} recycled; write={float} s, sync={float} s, total={float} s; sync files={n}, longest={float} s, average={float} s; distance={n} kB, estimate={n} kB",
    ),
    (
        6,
        "{date} {clock} UTC [{pid}] app@shop ERROR:  deadlock detected at character {n}: Process {pid} waits for ShareLock on transaction {n}; blocked by process {pid}.",
    ),
    (
        6,
        "{iso} {n} [Note] InnoDB: Buffer pool(s) load completed at {short}, {n} pages of {n} read from {path}",
    ),
    // JSON events.
    (
        145,
        "{\"ts\":\"{iso}\",\"level\":\"info\",\"logger\":\"http.access\",\"msg\":\"handled request\",\"request\":{\"remote_ip\":\"{ip}\",\"remote_port\":\"{port}\",\"proto\":\"HTTP/2.0\",\"method\":\"GET\",\"host\":\"api.example.com\",\"uri\":\"{route}\",\"headers\":{\"user-agent\":[\"okhttp/{version}\"],\"x-request-id\":[\"{uuid}\"],\"accept-encoding\":[\"gzip, deflate, br\"]},\"tls\":{\"resumed\":false,\"version\":{n},\"cipher_suite\":{n},\"proto\":\"h2\",\"server_name\":\"api.example.com\"}},\"bytes_read\":{n},\"user_id\":\"\",\"duration\":{float},\"size\":{n},\"status\":{status},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"}",
    ),
    (
        18,
        "{\"ts\":\"{iso}\",\"level\":\"warn\",\"logger\":\"billing\",\"msg\":\"invoice delayed\",\"invoice\":{n},\"customer\":\"{email}\",\"attempt\":{small},\"next_retry_ms\":{n},\"queue_depth\":{n},\"worker\":\"billing-{small}\",\"idempotency_key\":\"{uuid}\",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\",\"caller\":\"invoice/retry.go:{n}\"}",
    ),
    (
        3,
        "{\"ts\":\"{iso}\",\"level\":\"info\",\"logger\":\"jobs\",\"msg\":\"job done\",\"queue\":\"{queue}\",\"job\":{n},\"took_ms\":{n},\"trace_id\":\"{trace}\"}",
    ),
    // Mobile devices.
    (
        22,
        "{monthday} {clock}  {pid} {pid} D PowerManagerService: release:lock={n}, flg=0x0, tag=\"*launch*\", name=android\", ws=WorkSource{{pid}}, uid={pid}, pid={pid}",
    ),
    (
        20,
        "{monthday} {clock}  {pid} {pid} I ActivityManager: START u0 {act=android.intent.action.MAIN cat=[android.intent.category.LAUNCHER] flg={ptr} cmp=com.example.shop/.MainActivity bnds=[{n},{n}][{n},{n}]} from uid {pid} on display {small}",
    ),
    (
        12,
        "{monthday} {clock}  {pid} {pid} V WindowManager: Relayout Window{{hex} u0 com.example.shop/com.example.shop.MainActivity}: viewVisibility=0 req={pixels}x{pixels} WM.LayoutParams{(0,0)(fillxfill) sim=#{n} ty=1 fl=#{n} wanim={ptr} or=1}",
    ),
    // Containers and a batch engine.
    (
        14,
        "{iso} {host} kubelet[{pid}]: I0317 {clock} {pid} kuberuntime_manager.go:{n}] \"Container needs to be restarted\" pod=\"shop/orders-{hex}\" podUID=\"{uuid}\" containerName=\"orders\" containerID=\"containerd://{trace}{trace}\" restartCount={small}",
    ),
    (
        12,
        "{iso} {host} containerd[{pid}]: time=\"{iso}\" level=info msg=\"shim disconnected\" id={trace}{trace} namespace=k8s.io pid={pid} elapsed={float}s",
    ),
    (
        16,
        "{short} INFO executor.Executor: Finished task {float} in stage {float} (TID {n}). {n} bytes result sent to driver",
    ),
    (
        12,
        "{short} INFO storage.ShuffleBlockFetcherIterator: Started {small} remote fetches in {n} ms from {host}:{port}, {n} blocks of {n} bytes, commit {sha}",
    ),
    (2, "{iso} worker={small} user={user} action=login result=ok ip={ip} session={uuid}"),
];
