/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=2a210eef";import"./core.js?v=2a210eef";export{a as JobLog,b as bodyOf};
