//! Every bound of the server, with its default. What exceeds one gets a clear error.

/// The deepest nesting of JSON that [`Limits::nesting`] may allow: what was stored under any limit can be read again.
pub const DEEPEST_NESTING: usize = 512;

/// Bytes of the files that `cresset validate --references` keeps in memory, as text.
pub const VALIDATE_REFERENCES_BYTES: usize = 128 << 20;

/// Most attributes of an XML element.
pub const XML_ATTRIBUTES: usize = 64;

/// Most declarations of XML namespaces in force at a time.
pub const XML_NAMESPACES: usize = 64;

/// Most readings of a type from end to end at a time, of a tenant; more are refused.
pub const TENANT_SCANS: usize = 16;

/// Most conformance resources of a tenant that are definitions for validation; what is beyond is stored and not used.
pub const OWN_DEFINITIONS: usize = 4096;

/// Most bytes of their texts, without what only people read.
pub const OWN_DEFINITION_BYTES: usize = 32 << 20;

/// Most GraphQL queries that a node answers at a time; more wait.
pub const GRAPHQL_AT_ONCE: usize = 64;

/// Most patients that the rows of a view can be limited to.
pub const VIEW_PATIENTS: usize = 10_000;

/// Most columns of a view.
pub const VIEW_COLUMNS: usize = 4096;

/// Most cells that a view makes of one resource, those of rows in between included.
pub const VIEW_CELLS: usize = 2_000_000;

/// Most steps of evaluation that a view takes on one resource.
pub const VIEW_STEPS: u64 = 10_000_000;

/// How deep `repeat` of a view goes.
pub const VIEW_REPEAT_DEPTH: usize = 128;

/// Most tokens of a GraphQL document.
pub const GRAPHQL_TOKENS: usize = 20_000;

/// Deepest nesting of a GraphQL document, and of its answer.
pub const GRAPHQL_DEPTH: usize = 32;

/// Most fields of a GraphQL document, with fragments counted where they are used.
pub const GRAPHQL_SELECTIONS: usize = 20_000;

/// Most values and objects of the answer to a GraphQL query; graphical clients ask for 1.2 million at their start.
pub const GRAPHQL_VALUES: usize = 1_500_000;

/// Largest answer to a GraphQL query in bytes, counted roughly.
pub const GRAPHQL_BYTES: usize = 32 << 20;

/// Most selections that the answer to a GraphQL query looks at: each one for every object that it may be asked of.
pub const GRAPHQL_VISITS: u64 = 20_000_000;

/// Most references that a GraphQL query follows; each counts once.
pub const GRAPHQL_REFERENCES: usize = 5_000;

/// Most reads and searches that a GraphQL query does.
pub const GRAPHQL_SEARCHES: usize = 500;

/// Most steps of evaluation that the expressions of a GraphQL query take together.
pub const GRAPHQL_STEPS: u64 = 20_000_000;

/// The bounds of one server. All are configurable; the defaults suit a hospital's test system.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Most entries of a batch or transaction.
    pub bundle_entries: usize,
    /// Most bytes of the answers of a batch or transaction: beyond it reads are refused, and writes are answered without
    /// their resources.
    pub answer_bytes: usize,
    /// Most operations of a patch, and most properties of an object of a merge patch.
    pub patch_operations: usize,
    /// Deepest nesting of JSON.
    pub nesting: usize,
    /// Page size when `_count` is absent.
    pub page_default: usize,
    /// Largest page.
    pub page_max: usize,
    /// Longest chain (`a.b.c` counts 3), and deepest nesting of `_has`.
    pub chain_depth: usize,
    /// Most values of one parameter (commas), and most parameters of one search.
    pub search_values: usize,
    /// Most search parameters that a tenant defines.
    pub search_params: usize,
    /// Most codes that the value sets and hierarchies of one search may come to.
    pub value_set_codes: usize,
    /// Longest query string or form body in bytes.
    pub query_bytes: usize,
    /// Most resources that `_include` and `_revinclude` add to one page.
    pub includes: usize,
    /// Most resources that an operation looks at one by one (`$lastn`, `$stats`).
    pub scan: usize,
    /// Most resources that `$everything` answers at once when `_count` is absent.
    pub everything: usize,
    /// Most keys that a chain or `_has` may carry from one step to the next.
    pub join_keys: usize,
    /// How long a page pin lives, in seconds.
    pub page_pin_seconds: u64,
    /// Most page pins at a time.
    pub page_pins: usize,
    /// Memory for the parameters of searches that are too long for a page link, in bytes.
    pub page_search_bytes: usize,
    /// How long another node may take to answer with a page that it holds, in seconds.
    pub relay_seconds: u64,
    /// Largest page taken from another node, in bytes.
    pub relay_bytes: usize,
    /// Memory for current versions that were read lately, in bytes; not used with a shared database.
    pub recent_bytes: u64,
    /// Most tenants, beside the default one, that are open at a time; more only while all of them are used.
    pub open_tenants: usize,
    /// How long nobody must have used a tenant before it is closed, in seconds.
    pub tenant_idle_seconds: u64,
    /// Most connections at a time; further ones wait to be taken.
    pub connections: u32,
    /// How long the head of a request may take, and a connection be idle, in seconds.
    pub head_seconds: u64,
    /// How long a client may take nothing of its answer, in seconds.
    pub write_seconds: u64,
    /// Most requests of a tenant at a time; more are refused.
    pub tenant_requests: usize,
    /// Most searches of a tenant at a time; more wait.
    pub tenant_searches: usize,
    /// Most planned writes waiting for the Writer.
    pub writer_queue: usize,
    /// Most planned writes in one commit.
    pub writer_batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            bundle_entries: 10_000,
            answer_bytes: 256 << 20,
            patch_operations: 1000,
            nesting: 64,
            page_default: 50,
            page_max: 1000,
            chain_depth: 8,
            search_values: 4096,
            search_params: 4096,
            value_set_codes: 500_000,
            query_bytes: 2 << 20,
            includes: 10_000,
            scan: 100_000,
            everything: 10_000,
            join_keys: 5_000_000,
            page_pin_seconds: 600,
            page_pins: 1024,
            page_search_bytes: 32 << 20,
            relay_seconds: 10,
            relay_bytes: 256 << 20,
            recent_bytes: 64 << 20,
            open_tenants: 64,
            tenant_idle_seconds: 900,
            connections: 16_384,
            head_seconds: 60,
            write_seconds: 60,
            tenant_requests: 1024,
            tenant_searches: 32,
            writer_queue: 4096,
            writer_batch: 512,
        }
    }
}
