/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=bb63747c";import"./core.js?v=bb63747c";export{a as JobLog,b as bodyOf};
